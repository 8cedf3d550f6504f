import type { Lab } from "../../lab/src/index";
import type { Load } from "../load/load";
import { waitUntil } from "../../tools/src/index";

// kubeadm writes both before its API server answers. admin.conf has no rights until kubeadm has
// bound its group; super-admin.conf (kubeadm >= 1.29, init node only) has them at once
const FILES = ["/etc/kubernetes/super-admin.conf", "/etc/kubernetes/admin.conf"];

/** Waits for the first answer of an API server, then gives the load the init node's credentials. */
export async function setLoadCredentials(lab: Lab, load: Load, signal: AbortSignal): Promise<void> {
  const initNode = lab.machines[0]!.name;
  let answered = false;
  // without an answer the call ends with the load's process
  load.waitFirstAnswer(24 * 3_600_000).then(
    () => (answered = true),
    () => undefined,
  );
  await waitUntil("the first answer of an API server", { seconds: 1800, signal }, () =>
    Promise.resolve(answered),
  );
  await load.setCredentials(await waitForKubeconfig(lab, initNode, signal));
}

/**
 * The administrator's kubeconfig of a machine, as soon as kubeadm has written it; its API server
 * may not answer yet.
 */
export function waitForKubeconfig(
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
