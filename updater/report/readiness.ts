/** Whether this updater works: for the kubelet's probes, and so for a roll of the pods. */
import type { BackendState } from "../../haproxy/model";

/** Longer than a reload and a check of the file by HAProxy, which a look at HAProxy may include. */
const STUCK_MS = 90_000;

/** What is known of the updater's work. */
export interface Progress {
  /** An API server has confirmed all sources since the start. */
  readonly isSynced: boolean;
  readonly waitingForToken: boolean;
  /** Desired backends with HAProxy's view of them; `unknown` while HAProxy does not answer. */
  readonly states: readonly BackendState[];
}

/**
 * Ready says: this script works, with these settings and this token. So it stays, also when the API
 * goes away later. While HAProxy sees no API server ready there is nobody to prove it with: the
 * updater is ready as soon as HAProxy has the last good backends.
 */
export class Readiness {
  readonly #now: () => number;
  #isReady = false;
  #lookedAtMs: number;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
    this.#lookedAtMs = now();
  }

  /** A look at HAProxy has ended, also when HAProxy did not answer. */
  looked(): void {
    this.#lookedAtMs = this.#now();
  }

  /** Why the updater is not ready; undefined if it is. */
  notReady(progress: Progress): string | undefined {
    if (this.#isReady) return undefined;
    const reason = missing(progress);
    this.#isReady = reason === undefined;
    return reason;
  }

  /** Why the updater must be restarted; undefined if it need not. */
  notLive(): string | undefined {
    const silentMs = this.#now() - this.#lookedAtMs;
    if (silentMs < STUCK_MS) return undefined;
    return `no look at HAProxy has ended for ${Math.round(silentMs / 1000)} s`;
  }
}

function missing({ isSynced, waitingForToken, states }: Progress): string | undefined {
  if (states.length === 0) return "there are no backends yet";
  if (states.includes("unknown")) return "HAProxy does not answer";
  const isSomeoneReady = states.includes("ready") || states.includes("leaving");
  if (isSynced || !isSomeoneReady) return undefined;
  return waitingForToken
    ? "waiting for the token"
    : "an API server is ready, and none has sent the backends yet";
}
