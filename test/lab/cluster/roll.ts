import { setTimeout as sleep } from "node:timers/promises";
import { keptUntilCut, underLoad } from "../../../e2e/scenario/scenarios";
import type { ClusterOverrides } from "../../../e2e/scenario/lab-stack";
import { eventually } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

/** Requests that must go well when all pods are new. */
const REQUESTS = 100;

/** `up` with settings that need other pods, under load: no request fails. */
export async function roll(
  plane: ControlPlane,
  name: string,
  overrides: ClusterOverrides,
): Promise<void> {
  plane.configure(CONTROL_PLANE_NODES, overrides);
  const report = await plane.underLoad(name, async () => {
    const up = new AbortController();
    const [stoppedAt] = await Promise.all([
      haproxyStops(plane, "m1", up.signal),
      plane.engine.up().finally(() => up.abort()),
    ]);
    // seen within a few questions, whose answers take a while
    if (stoppedAt !== undefined) {
      await keptUntilCut(plane.context, stoppedAt, plane.context.drains.stoppedMs, 2000);
    }
    await eventually(`HAProxy after ${name}`, 60, () =>
      plane.haproxyServes(...CONTROL_PLANE_NODES),
    );
    await underLoad(plane.context, REQUESTS);
  });
  assertNothingFailed(report);
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
