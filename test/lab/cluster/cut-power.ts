import type { ControlPlane } from "./control-plane";

/** A server that does not respond is out of rotation, and its connections are cut, in this time. */
const OUT_MS = 3000;

/** Cuts a machine's power. Requests on its open connections count as in flight. */
export async function cutPower({ lab, load }: ControlPlane, machine: string): Promise<void> {
  const from = Date.now();
  // the network first: otherwise processes that are still alive would close connections of dead
  // ones
  await lab.cut(machine);
  const openedBefore = Date.now();
  await load.markKill({ from, to: openedBefore + OUT_MS, openedBefore });
  await lab.powerOff(machine, { hard: true });
}
