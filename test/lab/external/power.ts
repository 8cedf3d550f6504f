import { underLoad, whole, type Stage } from "../../../e2e/scenario/scenarios";
import { version } from "../../../e2e/load/operations";
import { Identity } from "../../../e2e/load/request";
import { assertNothingFailed, MASTERS, type ControlPlane } from "../cluster/control-plane";
import { cutPower } from "../cluster/power";
import { eventually } from "../support";
import { BALANCERS } from "./own-hosts";

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
  const { lab } = plane;
  const { through } = plane;
  const all = stage.cluster.balancers.map(({ name }) => name);
  plane.through = all.filter((name) => name !== machine);
  // where a try before this one has left it off
  await lab.powerOn(machine);
  await whole(stage);
  const cut = await plane.underLoad(`power cut of ${machine}`, async () => {
    await underLoad(stage, 20);
    await cutPower(plane, machine);
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
