import { underLoad, waitUntilHealthy, type ScenarioContext } from "../../../e2e/scenario/scenarios";
import { version } from "../../../e2e/load/operations";
import { Identity } from "../../../e2e/load/request";
import {
  assertNothingFailed,
  CONTROL_PLANE_NODES,
  type ControlPlane,
} from "../cluster/control-plane";
import { cutPower } from "../cluster/power";
import { eventually } from "../support";
import { LOAD_BALANCERS } from "./own-hosts";

/** Slow machines need minutes for three API servers at once. */
const DEADLINE_SECONDS = 300;

/** Power cuts: of a host of HAProxy, and of all machines. */
export function power(plane: () => ControlPlane): void {
  it("serves through the other host when the power of the endpoint's is cut, and there again when it has booted", async () => {
    await powerCut(plane(), plane().context, "w1");
  });

  it("comes back by itself when the power of all machines is cut at once", async () => {
    const { lab, context } = plane();
    await Promise.all(lab.machines.map(({ name }) => lab.powerOff(name, { hard: true })));
    const since = Date.now();
    // the load balancers first: nobody is there yet whom they could ask
    for (const name of [...LOAD_BALANCERS, ...CONTROL_PLANE_NODES]) {
      await lab.powerOn(name);
      say(`${name} has booted`, since);
    }
    await Promise.all(LOAD_BALANCERS.map((name) => servedThrough(plane(), name, since)));
    await waitUntilHealthy(context);
    say("every load balancer sees every API server", since);
    plane().through = LOAD_BALANCERS;
    const report = await plane().underLoad("all are back", () => underLoad(context, 60));
    plane().through = undefined;
    assertNothingFailed(report);
  });
}

/**
 * Cuts the power of a machine and gives it back. Meanwhile the load goes through every other load balancer and loses no request but those on
 * connections to this machine's API server, and writes while etcd has no leader; in the end it goes through all.
 */
export async function powerCut(
  plane: ControlPlane,
  context: ScenarioContext,
  machine: string,
): Promise<void> {
  const { lab } = plane;
  const { through } = plane;
  const all = context.cluster.loadBalancers.map(({ name }) => name);
  plane.through = all.filter((name) => name !== machine);
  // where a try before this one has left it off
  await lab.powerOn(machine);
  await waitUntilHealthy(context);
  const cut = await plane.underLoad(`power cut of ${machine}`, async () => {
    await underLoad(context, 20);
    await cutPower(plane, machine);
    await underLoad(context, 60);
  });
  assertNothingFailed(cut);
  const boot = await plane.underLoad(`boot of ${machine}`, async () => {
    const since = Date.now();
    await lab.powerOn(machine);
    if (all.includes(machine)) await servedThrough(plane, machine, since);
    await waitUntilHealthy(context);
    say(`${machine} is whole again`, since);
  });
  assertNothingFailed(boot);
  plane.through = all;
  const back = await plane.underLoad(`${machine} is back`, () => underLoad(context, 20));
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
