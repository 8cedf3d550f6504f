import type { ControlPlane } from "./control-plane";

/** A server that does not answer leaves the rotation within this, and what is kept open to it is cut. */
const OUT_MS = 3000;

/** etcd chooses a new leader 1 to 2 s after it has heard nothing of the former one, on busy machines at the second try. */
const ELECTION_MS = 5000;

/** Cuts the power of a machine, and tells the load what is lost with it: requests on connections to it, and writes while etcd has no leader. */
export async function cutPower({ lab, load }: ControlPlane, machine: string): Promise<void> {
  const from = Date.now();
  // silence first: the processes die one after the other, and the last ones would tell of it
  await lab.cut(machine);
  const openedBefore = Date.now();
  await load.markKill({ from, to: openedBefore + OUT_MS, openedBefore });
  // what etcd's other members hand on to a leader that is dead is lost, whoever is in front of them
  await load.markKill({ from, to: openedBefore + ELECTION_MS, operations: ["PATCH"] });
  await lab.powerOff(machine, { hard: true });
}
