/** What `/ready` and `/live` answer: a roll of pods stops at an updater that does not work. */

/** The updater looks at HAProxy every second; without a look for so long it hangs. */
const HANGS_AFTER_MS = 60_000;

/** Whether this process works. A reason is the text of the 503; undefined is 200. */
export class Health {
  #applied = false;
  #lookedAtMs: number;

  /**
   * @param isSynced whether API servers have listed all sources of the backends since the start
   * @param now milliseconds on a monotonic clock
   */
  constructor(
    private readonly isSynced: () => boolean,
    private readonly now: () => number,
  ) {
    this.#lookedAtMs = now();
  }

  /** The listed backends are applied, or none is listed and the last good ones stay. */
  applied(): void {
    this.#applied = true;
  }

  /** A look at HAProxy has ended, well or not. */
  looked(): void {
    this.#lookedAtMs = this.now();
  }

  /**
   * Why this process is not ready. Once ready, it stays so: API servers that are away later are a
   * problem of theirs, and `problems` has it.
   */
  get notReady(): string | undefined {
    if (!this.isSynced()) return "no API server has listed the backends yet: see /status";
    return this.#applied ? undefined : "the listed backends are not applied: see /status";
  }

  /** Why this process must be restarted. */
  get notLive(): string | undefined {
    const ms = this.now() - this.#lookedAtMs;
    if (ms < HANGS_AFTER_MS) return undefined;
    return `no look at HAProxy has ended for ${Math.round(ms / 1000)} s`;
  }
}
