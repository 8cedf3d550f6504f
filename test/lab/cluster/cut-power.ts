import type { ControlPlane } from "./control-plane";

/** A server that does not respond leaves the rotation within this time, and its connections are cut. */
const OUT_MS = 3000;

/** Cuts the power of a machine. Requests on connections that were open to it are in flight at a kill. */
export async function cutPower({ lab, load }: ControlPlane, machine: string): Promise<void> {
  const from = Date.now();
  // the network first: otherwise processes that die later would close or reset connections of others
  await lab.cut(machine);
  const openedBefore = Date.now();
  await load.markKill({ from, to: openedBefore + OUT_MS, openedBefore });
  await lab.powerOff(machine, { hard: true });
}
