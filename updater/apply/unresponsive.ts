/** Which servers hang: they are down and give no answer. Pure. */
import type { Snapshot, Stat } from "../../haproxy/runtime";

/** The answer of a host where nobody listens, and HAProxy's word for a host that cannot be reached. */
const REFUSED = "L4CON";

/** Packets vanish: nobody is there. */
const DARK = "L4TOUT";

/**
 * Checks that ended for want of any answer. A refused connection is an answer: the host lives, has already reset what was broken, and
 * an API server that shuts down in good order still serves its open requests. A bad certificate (L6RSP) and a bad HTTP answer
 * (L7RSP, L7STS) are answers too; SOCKERR is HAProxy's own trouble.
 */
const NO_ANSWER: ReadonlySet<string> = new Set([DARK, "L6TOUT", "L7TOUT"]);

/** A server that is only slow for a moment, on a machine that is too busy, is not yet given up. */
const PATIENCE_SECONDS = 2;

/**
 * An API server that is started again has its port open some seconds before it serves. Who is connected to it waits there, and comes from after
 * the former one's end; most clients wait no longer than this themselves.
 */
const PATIENCE_AFTER_REFUSAL_SECONDS = 10;

/**
 * The slots whose servers have refused a check since they were last well, as an API server does between its end and its next start.
 * @param before the same of the look before this one, a second ago at most: later ones may have missed a refusal
 */
export function refusedSlots(snapshot: Snapshot, before: ReadonlySet<number>): Set<number> {
  const refused = livenessOf(snapshot).filter(
    ({ slot, status, checkStatus }) =>
      /^(DOWN|UP \d)/.test(status) && (checkStatus === REFUSED || before.has(slot)),
  );
  return new Set(refused.map(({ slot }) => slot));
}

/** The slots whose servers are down, give no answer, and have had their time. */
export function hungSlots(snapshot: Snapshot, refused: ReadonlySet<number>): Set<number> {
  const hung = livenessOf(snapshot).filter(({ slot, status, checkStatus, sinceSeconds }) => {
    if (!status.startsWith("DOWN") || !NO_ANSWER.has(checkStatus)) return false;
    const mayStart = checkStatus !== DARK && refused.has(slot);
    return sinceSeconds >= (mayStart ? PATIENCE_AFTER_REFUSAL_SECONDS : PATIENCE_SECONDS);
  });
  return new Set(hung.map(({ slot }) => slot));
}

function livenessOf({ stats }: Snapshot): Stat[] {
  return stats.filter(({ pool }) => pool === "alive");
}
