import type { Lab } from "../../lab/src/index";
import type { Load } from "../load/load";
import { waitUntil } from "./wait";

// kubeadm writes both before its API server answers. admin.conf has no rights until kubeadm has bound its group;
// super-admin.conf (kubeadm >= 1.29, first control-plane node only) always has
const FILES = ["/etc/kubernetes/super-admin.conf", "/etc/kubernetes/admin.conf"];

/** Gives the load the first control-plane node's credentials as soon as the first API server answers, and so makes it the full load. */
export async function feedCredentials(lab: Lab, load: Load, signal: AbortSignal): Promise<void> {
  const head = lab.machines[0]!.name;
  let answered = false;
  // it ends with the process of the load, should there never be an answer
  load.waitFirstAnswer(24 * 3_600_000).then(
    () => (answered = true),
    () => undefined,
  );
  await waitUntil("the first answer of an API server", { seconds: 1800, signal }, () =>
    Promise.resolve(answered),
  );
  await load.setCredentials(await readKubeconfigWhenThere(lab, head, signal));
}

/** The administrator's kubeconfig of a machine, as soon as kubeadm has written it; its API server need not answer yet. */
export function readKubeconfigWhenThere(
  lab: Lab,
  machine: string,
  signal?: AbortSignal,
): Promise<string> {
  const read = FILES.map((file) => `cat ${file} 2>/dev/null`).join(" || ");
  return waitUntil(`a kubeconfig on ${machine}`, { seconds: 900, signal }, async () => {
    const { stdout } = await lab.exec(machine, read, { check: false });
    return stdout.includes("client-key-data") && stdout;
  });
}
