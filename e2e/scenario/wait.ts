import { setTimeout as sleep } from "node:timers/promises";

/** How a wait ends and how often it looks. */
export interface WaitOptions {
  /** Gives up after that long. */
  readonly seconds: number;
  /** Pause between two looks, in ms. @default 500 */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits until `probe` gives something other than undefined or false. An error of the probe counts as "not yet" and is named when
 * time is up.
 * @throws Error that names what was waited for; the signal's reason when it is aborted
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
      last = `; last: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s${last}`);
    await sleep(everyMs, undefined, { signal });
  }
}
