import { setTimeout as sleep } from "node:timers/promises";
import { underLoad } from "../../../demo/acts";
import type { ClusterOverrides } from "../../../demo/stack";
import { eventually } from "../support";
import { assertNothingFailed, MASTERS, type ControlPlane } from "./control-plane";

/** Requests that must go well when all pods are new. */
const REQUESTS = 100;

/** `up` with settings that need other pods, under load: no request fails. */
export async function roll(
  plane: ControlPlane,
  name: string,
  overrides: ClusterOverrides,
): Promise<void> {
  plane.configure(MASTERS, overrides);
  const report = await plane.underLoad(name, async () => {
    const up = new AbortController();
    const [stoppedAt] = await Promise.all([
      haproxyStops(plane, "m1", up.signal),
      plane.engine.up().finally(() => up.abort()),
    ]);
    if (stoppedAt !== undefined) await keptUntilCut(plane, stoppedAt);
    await eventually(`HAProxy after ${name}`, 60, () => plane.haproxyServes(...MASTERS));
    await underLoad(plane.stage, REQUESTS);
  });
  assertNothingFailed(report);
}

/**
 * A HAProxy that stops, as the former one of a reload, cuts what is left in the end: a request on its way at that moment is lost.
 * @param since when it was seen to stop, at most 3 s late.
 */
export async function keptUntilCut(plane: ControlPlane, since: number): Promise<void> {
  const cut = since + plane.stage.drains.stoppedMs;
  await plane.load.markKill({ from: cut - 3000, to: cut + 5000, openedBefore: since });
}

/** When HAProxy gives up the LB port of the endpoint's machine; undefined when the signal comes first. */
async function haproxyStops(
  plane: ControlPlane,
  name: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    if (!(await plane.haproxyServes(name))) return Date.now();
    await sleep(250);
  }
  return undefined;
}
