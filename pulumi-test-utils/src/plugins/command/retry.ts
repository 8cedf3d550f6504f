import { setTimeout as sleep } from "node:timers/promises";

const FIRST_DELAY_MS = 100;
const GROWTH = 1.5;
const LONGEST_DELAY_MS = 5000;

/** Settings of the retries. */
export interface RetryOptions {
  /** Subject of the status line: `WHAT 3/10 failed: retrying`. */
  readonly what: string;
  /** Number of retries: 0 = a single attempt, -1 = no limit. */
  readonly limit: number;
  readonly status: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Repeats a dial as the command provider does: every error, with delays of 100 ms, growing by half
 * up to 5 s.
 *
 * @throws `after L failed attempts: LAST ERROR`, or the signal's reason
 */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  let delay = FIRST_DELAY_MS;
  for (let attempt = 0; ; attempt += 1) {
    options.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      options.signal.throwIfAborted();
      if (options.limit > -1 && attempt >= options.limit) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`after ${attempt} failed attempts: ${message}`, { cause: error });
      }
      const limit = options.limit === -1 ? "inf" : String(options.limit);
      options.status(`${options.what} ${attempt + 1}/${limit} failed: retrying`);
    }
    await sleep(delay, undefined, { signal: options.signal }).catch(() => undefined);
    delay = Math.min(delay * GROWTH, LONGEST_DELAY_MS);
  }
}
