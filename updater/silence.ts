/** Which servers hang: they are down and give no answer. Pure. */
import type { Snapshot } from "../haproxy/runtime";

/**
 * Checks that ended for want of any answer. A refused connection (L4CON) is an answer: the host lives, has already reset
 * what was broken, and an API server that shuts down in good order still serves its open requests. A bad certificate
 * (L6RSP) and a bad HTTP answer (L7RSP, L7STS) are answers too; SOCKERR is HAProxy's own trouble.
 */
const NO_ANSWER: ReadonlySet<string> = new Set(["L4TOUT", "L6TOUT", "L7TOUT"]);

/** A server that is only slow for a moment, on a machine that is too busy, is not yet given up. */
const PATIENCE_MS = 2_000;

/**
 * An API server that starts again has its port open some seconds before it serves. Who is connected to it came after the former one's end and
 * waits there; most clients wait no longer than this themselves.
 */
const PATIENCE_AFTER_ANSWER_MS = 10_000;

/** By slot: when a server that is down has had its time, on the clock of `nowMs`. */
export type Patience = ReadonlyMap<number, number>;

/** What follows from a further look. How a server went down decides, so looks must not be seconds apart. */
export function lookAt(snapshot: Snapshot, before: Patience, nowMs: number): Patience {
  const after = new Map<number, number>();
  for (const { pool, slot, status, checkStatus, sinceSeconds } of snapshot.stats) {
    if (pool !== "alive" || !status.startsWith("DOWN")) continue;
    const patienceMs = NO_ANSWER.has(checkStatus) ? PATIENCE_MS : PATIENCE_AFTER_ANSWER_MS;
    after.set(slot, before.get(slot) ?? nowMs - sinceSeconds * 1000 + patienceMs);
  }
  return after;
}

/** The slots whose servers give no answer, and have had their time. */
export function hungSlots(snapshot: Snapshot, patience: Patience, nowMs: number): Set<number> {
  const hung = snapshot.stats.filter(
    ({ pool, slot, checkStatus }) =>
      pool === "alive" && NO_ANSWER.has(checkStatus) && (patience.get(slot) ?? Infinity) <= nowMs,
  );
  return new Set(hung.map(({ slot }) => slot));
}
