import { setTimeout as sleep } from "node:timers/promises";
import { waitForRequests, type ScenarioContext } from "../scenario/context";
import { waitUntil } from "../../tools/src/index";
import type { UpdaterStatus } from "../../updater/report/status-server";
import type { Content } from "./contents";
import type { Operator } from "./operator";
import type { Step } from "./plan";

/** A recovery beyond this ends the run: the next sequence would prove nothing. */
const DEADLINE_SECONDS = 120;

const POLL_MS = 100;

/** Plays the steps, then the right content. Requests follow each change. */
export async function playSteps(
  context: ScenarioContext,
  operator: Operator,
  steps: readonly Step[],
  right: Content,
): Promise<number> {
  for (const { data, holdSeconds } of steps) {
    await operator.put(data);
    await sleep(holdSeconds * 1000, undefined, { signal: context.signal });
  }
  const recoveryMs = await recover(context, operator, right);
  await waitForRequests(context, 20);
  return recoveryMs;
}

/**
 * Puts the right content.
 * @returns milliseconds from the operator's command until every updater has it, and HAProxy sees
 * all API servers ready
 * @throws Error after DEADLINE_SECONDS, with what an updater says
 */
async function recover(
  { cluster, signal }: ScenarioContext,
  operator: Operator,
  right: Content,
): Promise<number> {
  const began = performance.now();
  const revision = await operator.put(right);
  const times = cluster.loadBalancers.map(({ name }) =>
    waitUntil(
      `the right backends at ${name}`,
      { seconds: DEADLINE_SECONDS, everyMs: POLL_MS, signal },
      async () => {
        const status = await cluster.updater(name);
        if (!isRecovered(status, revision, right)) throw new Error(JSON.stringify(status));
        return performance.now() - began;
      },
    ),
  );
  return Math.max(...(await Promise.all(times)));
}

/** An updater has this revision or a later one, and all its backends, which are the right ones, are ready. */
export function isRecovered(
  { revision, backends }: Pick<UpdaterStatus, "revision" | "backends">,
  expected: string,
  right: Content,
): boolean {
  const kept = backends.filter(({ state }) => state !== "draining");
  const names = Object.keys(right);
  return (
    Number(revision) >= Number(expected) &&
    kept.length === names.length &&
    kept.every(
      ({ name, address, port, state }) => right[name] === `${address}:${port}` && state === "ready",
    )
  );
}
