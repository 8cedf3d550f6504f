import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { waitUntil } from "../../../tools/src/index";

/** After a ConfigMap is right again, its backends serve within this. */
const RECOVERED_WITHIN_MS = 10_000;

/** A machine with more work than this for each processor proves nothing about times. */
const LOAD_PER_PROCESSOR = 2;

/** @throws AssertionError when a recovery took too long on a machine that is not overloaded */
export function assertRecovered(tookMs: number, message?: string): void {
  if (tookMs < RECOVERED_WITHIN_MS) return;
  const [load = 0] = loadavg();
  assert.ok(load > LOAD_PER_PROCESSOR * availableParallelism(), message ?? `${tookMs} ms`);
  console.log(`      not judged: a recovery took ${tookMs} ms under a load of ${load}`);
}

export { setTimeout as sleep } from "node:timers/promises";

/** `waitUntil` with this suite's deadline, which is for slow machines. */
export function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 40_000,
): Promise<T> {
  return waitUntil(what, { seconds: deadlineMs / 1000, everyMs: 25 }, condition);
}
