/** Which servers are unresponsive: down, and without any answer. Pure. */
import type { Snapshot, Stat } from "../../haproxy/runtime";

/** HAProxy's status for a refused connection, and for an unreachable host. */
const REFUSED = "L4CON";

/** Packets vanish: the host is away. */
const CONNECT_TIMEOUT = "L4TOUT";

/**
 * Checks that got no answer. A refused connection is an answer: the host lives and has reset its
 * broken connections, and an API server in orderly shutdown still serves its open requests.
 * A bad certificate (L6RSP) and a bad HTTP response (L7RSP, L7STS) are answers, too; SOCKERR is
 * HAProxy's own trouble.
 */
const NO_ANSWER: ReadonlySet<string> = new Set([CONNECT_TIMEOUT, "L6TOUT", "L7TOUT"]);

/** A server on a busy machine may be slow for a moment. */
const GRACE_SECONDS = 2;

/**
 * A restarted API server opens its port some seconds before it serves. Clients that connect during
 * the restart wait there, and are not left over from the previous process. Most wait no longer.
 */
const GRACE_AFTER_REFUSAL_SECONDS = 10;

/**
 * The slots whose servers have refused a check since they were last up: an API server restarts.
 * @param before the previous result, at most a second old: a longer gap may miss a refusal
 */
export function refusedSlots(snapshot: Snapshot, before: ReadonlySet<number>): Set<number> {
  const refused = livenessOf(snapshot).filter(
    ({ slot, status, checkStatus }) =>
      /^(DOWN|UP \d)/.test(status) && (checkStatus === REFUSED || before.has(slot)),
  );
  return new Set(refused.map(({ slot }) => slot));
}

/** The slots whose servers are down and have not answered for their grace period. */
export function hungSlots(snapshot: Snapshot, refused: ReadonlySet<number>): Set<number> {
  const hung = livenessOf(snapshot).filter(({ slot, status, checkStatus, sinceSeconds }) => {
    if (!status.startsWith("DOWN") || !NO_ANSWER.has(checkStatus)) return false;
    const mayStart = checkStatus !== CONNECT_TIMEOUT && refused.has(slot);
    return sinceSeconds >= (mayStart ? GRACE_AFTER_REFUSAL_SECONDS : GRACE_SECONDS);
  });
  return new Set(hung.map(({ slot }) => slot));
}

function livenessOf({ stats }: Snapshot): Stat[] {
  return stats.filter(({ pool }) => pool === "alive");
}
