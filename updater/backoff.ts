/** Pauses between attempts: doubling, with jitter, so that updaters do not retry in lockstep. */

const FIRST_MS = 200;
const LONGEST_MS = 5000;

/** Pause before an attempt, counted from 1: 50 to 100 % of min(5 s, 200 ms * 2^(attempt-1)). */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, Math.max(0, attempt - 1)));
  return Math.round(whole * (0.5 + random() / 2));
}

/** Resolves after the time, or at once when the signal comes. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
