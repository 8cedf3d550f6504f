import {
  waitForRequests,
  waitUntilHealthy,
  type ScenarioContext,
} from "../../../e2e/scenario/context";
import { getVersion } from "../../../e2e/load/operations";
import { Identity } from "../../../e2e/load/request";
import { waitUntil } from "../../../tools/src/index";
import {
  assertNothingFailed,
  CONTROL_PLANE_NODES,
  type ControlPlane,
} from "../cluster/control-plane";
import { cutPower } from "../cluster/cut-power";
import { LOAD_BALANCERS } from "./load-balancer-hosts";

/** Slow machines need minutes for three API servers at once. */
const DEADLINE_SECONDS = 300;

/** Power cuts of a load-balancer host and of all machines. */
export function powerCuts(plane: () => ControlPlane): void {
  it("serves through the other load-balancer host while one has no power, and through both after its boot", async () => {
    await cutAndRestorePower(plane(), plane().context, "w1");
  });

  it("recovers without `up` after a power cut of all machines", async () => {
    const { lab, context } = plane();
    await Promise.all(lab.machines.map(({ name }) => lab.powerOff(name, { hard: true })));
    const since = Date.now();
    // the load balancers first, when no API server is up yet
    for (const name of [...LOAD_BALANCERS, ...CONTROL_PLANE_NODES]) {
      await lab.powerOn(name);
      say(`${name} has booted`, since);
    }
    await Promise.all(LOAD_BALANCERS.map((name) => waitUntilServedThrough(plane(), name, since)));
    await waitUntilHealthy(context);
    say("every load balancer sees every API server", since);
    plane().through = LOAD_BALANCERS;
    const report = await plane().underLoad("all are back", () => waitForRequests(context, 60));
    plane().through = undefined;
    assertNothingFailed(report);
  });
}

/**
 * Cuts the power of a machine and restores it. Meanwhile the load uses every other load balancer,
 * in the end all of them. No request fails; those in flight on connections to this machine are
 * lost.
 */
export async function cutAndRestorePower(
  plane: ControlPlane,
  context: ScenarioContext,
  machine: string,
): Promise<void> {
  const { lab } = plane;
  const { through } = plane;
  const all = context.cluster.loadBalancers.map(({ name }) => name);
  plane.through = all.filter((name) => name !== machine);
  await waitUntilHealthy(context);
  const cut = await plane.underLoad(`power cut of ${machine}`, async () => {
    await waitForRequests(context, 20);
    await cutPower(plane, machine);
    await waitForRequests(context, 60);
  });
  assertNothingFailed(cut);
  const boot = await plane.underLoad(`boot of ${machine}`, async () => {
    const since = Date.now();
    await lab.powerOn(machine);
    if (all.includes(machine)) await waitUntilServedThrough(plane, machine, since);
    await waitUntilHealthy(context);
    say(`${machine} is healthy again`, since);
  });
  assertNothingFailed(boot);
  plane.through = all;
  const back = await plane.underLoad(`${machine} is back`, () => waitForRequests(context, 20));
  assertNothingFailed(back);
  plane.through = through;
}

/**
 * Waits until an API server answers through this machine's load balancer.
 * @param since prints the time from then
 */
export async function waitUntilServedThrough(
  plane: ControlPlane,
  machine: string,
  since?: number,
): Promise<void> {
  const target = { host: plane.address(machine), port: plane.endpoint.port };
  const identity = new Identity();
  await waitUntil(`an answer through ${machine}`, { seconds: DEADLINE_SECONDS }, async () => {
    await getVersion({ identity, target, agent: false, deadlineMs: 2000 });
    return true;
  });
  if (since !== undefined) say(`an answer through ${machine}`, since);
}

function say(what: string, since: number): void {
  console.log(`      ${what} after ${((Date.now() - since) / 1000).toFixed(1)} s`);
}
