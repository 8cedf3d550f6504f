import type { Lab } from "../../lab/src/index";
import type { AddedMachine } from "../../lab/src/added-machines";
import type { UpResult } from "../../pulumi-test-utils/src/index";
import type { Topology } from "../../stacks/schema";
import type { ClusterOverrides } from "../scenario/lab-stack";

/** A join waits for the init node, and three machines share the cores of one. */
const BOOT_SECONDS = 1800;

/** The configuration of a stack that gives out user data. */
export function userDataConfig(topology: Topology): ClusterOverrides {
  return { bootstrap: "cloudInit", topology, ssh: undefined };
}

/**
 * User data by machine, in the outputs of `up`.
 * @throws when it is no secret
 */
export function userDataIn(outputs: UpResult["outputs"]): Readonly<Record<string, string>> {
  const output = outputs["userData"];
  if (output?.secret !== true) throw new Error("the output userData is missing, or no secret");
  return output.value as Readonly<Record<string, string>>;
}

/**
 * Boots machines from user data alone, all at once, and waits until each first boot has ended well.
 * @throws with the status of cloud-init and the console's end when one has failed, or when somebody
 * could have logged in
 */
export async function bootFromUserData(
  lab: Lab,
  machines: readonly AddedMachine[],
  userData: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  for (const machine of machines) {
    const text = userData[machine.name];
    if (text === undefined) throw new Error(`there is no user data for ${machine.name}`);
    signal.throwIfAborted();
    await lab.add({ ...machine, userData: text });
  }
  await Promise.all(machines.map(({ name }) => waitForFirstBoot(lab, name, signal)));
}

/** Waits for one machine. @throws as `bootFromUserData` */
export async function waitForFirstBoot(
  lab: Lab,
  machine: string,
  signal: AbortSignal,
): Promise<void> {
  const { ok, status } = await lab.waitForCloudInit(machine, { seconds: BOOT_SECONDS, signal });
  if (!ok) {
    const end = lab.console(machine).split("\n").slice(-40).join("\n");
    throw new Error(`the first boot of ${machine} failed:\n${status}\nits console:\n${end}`);
  }
  const { stdout } = await lab.exec(machine, "systemctl is-active ssh.service ssh.socket || true");
  if (/^active/m.test(stdout)) throw new Error(`${machine}: sshd runs, somebody could log in`);
}
