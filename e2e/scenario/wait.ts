import { setTimeout as sleep } from "node:timers/promises";

/** When a wait gives up and how often it probes. */
export interface WaitOptions {
  /** Gives up after this time. */
  readonly seconds: number;
  /** Pause between two probes, in ms. @default 500 */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits until `probe` returns something other than undefined or false. An error of the probe counts
 * as "not yet"; the last one is part of the message after the time limit.
 * @throws Error that names `what`; the signal's reason when it is aborted
 */
export async function waitUntil<T>(
  what: string,
  { seconds, everyMs = 500, signal }: WaitOptions,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (let last = ""; ;) {
    signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = `; last error: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s${last}`);
    await sleep(everyMs, undefined, { signal });
  }
}
