import { setTimeout as sleep } from "node:timers/promises";

/** When a wait gives up, and how often it looks. */
export interface WaitOptions {
  /** Deadline, in seconds. @default 60 */
  readonly seconds?: number;
  /** Pause between two probes, in milliseconds. @default 50 */
  readonly everyMs?: number;
  /** Ends the wait early, with its reason as the error. */
  readonly signal?: AbortSignal;
  /** Describes the state when time is up. @default the last error of the probe */
  readonly lastSeen?: () => string | Promise<string>;
  /** Whether an error of the probe counts as "not yet". @default true */
  readonly retryErrors?: boolean;
}

/**
 * Probes until the result is neither undefined nor false, and returns it. The probe runs at least
 * once.
 *
 * @param what the awaited event; the error starts with it
 * @throws Error that names the event, the deadline and the last state seen
 */
export async function waitUntil<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const { seconds = 60, everyMs = 50, signal, retryErrors = true } = options;
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    let lastError = "";
    signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      if (!retryErrors) throw error;
      lastError = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() > deadline) {
      const seen = [await options.lastSeen?.(), lastError].filter(Boolean).join("; ");
      throw new Error(`${what}: not within ${seconds} s${seen === "" ? "" : `: ${seen}`}`);
    }
    await sleep(everyMs, undefined, { signal });
  }
}
