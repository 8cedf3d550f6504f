import { setTimeout as sleep } from "node:timers/promises";
import { markDrainEnd, waitForRequests } from "../../../e2e/scenario/context";
import type { ClusterOverrides } from "../../../e2e/scenario/lab-stack";
import { waitUntil } from "../../../tools/src/index";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

/** Requests that must be answered when all pods are new. */
const REQUESTS = 100;

/** Runs `up` with settings that need new pods, under load. @throws when a request fails */
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
    // the poll that saw it may be late
    if (stoppedAt !== undefined) {
      await markDrainEnd(plane.context, stoppedAt, plane.context.drains.stoppedMs, 2000);
    }
    await waitUntil(`HAProxy after ${name}`, { seconds: 60 }, () =>
      plane.haproxyListens(...CONTROL_PLANE_NODES),
    );
    await waitForRequests(plane.context, REQUESTS);
  });
  assertNothingFailed(report);
}

/** When HAProxy closes the LB port of a machine; undefined when the signal is aborted first. */
async function haproxyStops(
  plane: ControlPlane,
  name: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    if (!(await plane.haproxyListens(name))) return Date.now();
    await sleep(250);
  }
  return undefined;
}
