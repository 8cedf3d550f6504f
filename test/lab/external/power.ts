import { underLoad, whole, type Stage } from "../../../demo/acts";
import { version } from "../../../load/operations";
import { Identity } from "../../../load/request";
import { assertNothingFailed, MASTERS, type ControlPlane } from "../cluster/control-plane";
import { eventually } from "../support";
import { BALANCERS } from "./own-hosts";

/** A server that does not answer leaves the rotation within this, and what is kept open to it is cut. */
const OUT_MS = 3000;

/** etcd chooses a new leader 1 to 2 s after it has heard nothing of the former one, on busy machines at the second try. */
const ELECTION_MS = 5000;

/** Slow machines need minutes for three API servers at once. */
const DEADLINE_SECONDS = 300;

/** Power cuts: of a host of HAProxy, and of all machines. */
export function power(plane: () => ControlPlane): void {
  it("serves through the other host when the power of the endpoint's is cut, and there again when it has booted", async () => {
    await powerCut(plane(), plane().stage, "w1");
  });

  it("comes back by itself when the power of all machines is cut at once", async () => {
    const { lab, stage } = plane();
    await Promise.all(lab.machines.map(({ name }) => lab.powerOff(name, { hard: true })));
    const since = Date.now();
    // the load balancers first: nobody is there yet whom they could ask
    for (const name of [...BALANCERS, ...MASTERS]) {
      await lab.powerOn(name);
      say(`${name} has booted`, since);
    }
    await Promise.all(BALANCERS.map((name) => servedThrough(plane(), name, since)));
    await whole(stage);
    say("every load balancer sees every API server", since);
    plane().through = BALANCERS;
    const report = await plane().underLoad("all are back", () => underLoad(stage, 60));
    plane().through = undefined;
    assertNothingFailed(report);
  });
}

/**
 * Cuts the power of a machine and gives it back. Meanwhile the load goes through every other load balancer and loses no request but those on
 * connections to this machine's API server, and writes while etcd has no leader; in the end it goes through all.
 */
export async function powerCut(plane: ControlPlane, stage: Stage, machine: string): Promise<void> {
  const { lab, load } = plane;
  const { through } = plane;
  const all = stage.cluster.balancers.map(({ name }) => name);
  plane.through = all.filter((name) => name !== machine);
  // where a try before this one has left it off
  await lab.powerOn(machine);
  await whole(stage);
  const cut = await plane.underLoad(`power cut of ${machine}`, async () => {
    await underLoad(stage, 20);
    const from = Date.now();
    // silence first: the processes die one after the other, and the last ones would tell of it
    await lab.cut(machine);
    const openedBefore = Date.now();
    await load.markKill({ from, to: openedBefore + OUT_MS, openedBefore });
    // what etcd's other members hand on to a leader that is dead is lost, whoever is in front of them
    await load.markKill({ from, to: openedBefore + ELECTION_MS, operations: ["PATCH"] });
    await lab.powerOff(machine, { hard: true });
    await underLoad(stage, 60);
  });
  assertNothingFailed(cut);
  const boot = await plane.underLoad(`boot of ${machine}`, async () => {
    const since = Date.now();
    await lab.powerOn(machine);
    if (all.includes(machine)) await servedThrough(plane, machine, since);
    await whole(stage);
    say(`${machine} is whole again`, since);
  });
  assertNothingFailed(boot);
  plane.through = all;
  const back = await plane.underLoad(`${machine} is back`, () => underLoad(stage, 20));
  assertNothingFailed(back);
  plane.through = through;
}

/** Waits until an API server answers through this machine's load balancer, and says after how long. */
export async function servedThrough(
  plane: ControlPlane,
  machine: string,
  since?: number,
): Promise<void> {
  const target = { host: plane.address(machine), port: plane.endpoint.port };
  const identity = new Identity();
  await eventually(`an answer through ${machine}`, DEADLINE_SECONDS, async () => {
    await version({ identity, target, agent: false, deadlineMs: 2000 });
    return true;
  });
  if (since !== undefined) say(`an answer through ${machine}`, since);
}

function say(what: string, since: number): void {
  console.log(`      ${what} after ${((Date.now() - since) / 1000).toFixed(1)} s`);
}
