import type { Lab } from "../../lab/src/index";
import type { Load } from "../load/load";
import { waitUntil } from "../../tools/src/index";

// kubeadm writes both before its API server answers. admin.conf has no rights until kubeadm has
// bound its group; super-admin.conf (kubeadm >= 1.29, init node only) has them at once
const FILES = ["/etc/kubernetes/super-admin.conf", "/etc/kubernetes/admin.conf"];

/** Waits for the first answer of an API server, then gives the load that node's credentials. */
export async function setLoadCredentials(lab: Lab, load: Load, signal: AbortSignal): Promise<void> {
  let answered = false;
  // without an answer the call ends with the load's process
  load.waitFirstAnswer(24 * 3_600_000).then(
    () => (answered = true),
    () => undefined,
  );
  await waitUntil("the first answer of an API server", { seconds: 1800, signal }, () =>
    Promise.resolve(answered),
  );
  await load.setCredentials(await waitForSomeKubeconfig(lab, signal));
}

/** The administrator's kubeconfig of the control-plane node that has one first. */
function waitForSomeKubeconfig(lab: Lab, signal: AbortSignal): Promise<string> {
  return waitUntil("a kubeconfig on a node", { seconds: 900, signal }, async () => {
    // the machines may be made meanwhile
    for (const { name, role, running } of lab.machines) {
      if (role !== "controlPlane" || !running) continue;
      const kubeconfig = await readKubeconfig(lab, name);
      if (kubeconfig !== undefined) return kubeconfig;
    }
    return undefined;
  });
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
  return waitUntil(`a kubeconfig on ${machine}`, { seconds: 900, signal }, () =>
    readKubeconfig(lab, machine),
  );
}

async function readKubeconfig(lab: Lab, machine: string): Promise<string | undefined> {
  const read = FILES.map((file) => `cat ${file} 2>/dev/null`).join(" || ");
  const { stdout } = await lab.exec(machine, read, { check: false });
  return stdout.includes("client-key-data") ? stdout : undefined;
}
