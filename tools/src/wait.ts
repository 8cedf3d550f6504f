import { setTimeout as sleep } from "node:timers/promises";

/** When a wait gives up, and how often it probes. */
export interface WaitOptions {
  /** Deadline. The probe runs at least once. */
  readonly seconds: number;
  /** Pause between two probes, in milliseconds. @default 500 */
  readonly everyMs?: number;
  /** Ends the wait early, with the signal's reason as the error. */
  readonly signal?: AbortSignal;
  /** Describes the state at the deadline, for the error. @default the last error of the probe alone */
  readonly lastSeen?: () => string | Promise<string>;
  /** Whether an error of the probe counts as "not yet". @default true */
  readonly retryErrors?: boolean;
}

/**
 * Probes until the result is neither undefined nor false, and returns it.
 *
 * @param what the awaited event; the error starts with it
 * @throws Error that names the event, the deadline and the last state seen
 */
export async function waitUntil<T>(
  what: string,
  { seconds, everyMs = 500, signal, lastSeen, retryErrors = true }: WaitOptions,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
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
      const state = [await lastSeen?.(), lastError].filter(Boolean).join("; ");
      throw new Error(`${what}: not within ${seconds} s${state === "" ? "" : `: ${state}`}`);
    }
    await sleep(everyMs, undefined, { signal });
  }
}
