/** Changes that come faster than they can or should be applied: the newest counts, and none waits for the stream to pause. */
import { pause } from "../backoff";

/** Applies values one at a time: the first at once, then the newest after a gap, however many came meanwhile. */
export class Newest<T> {
  readonly #apply: (value: T) => Promise<void>;
  readonly #gapMs: number;
  readonly #signal: AbortSignal;
  #waiting: { readonly value: T } | undefined;
  #busy = false;

  /**
   * @param apply never rejects
   * @param gapMs between the starts of two applications at least
   * @param signal ends it: what waits then is dropped
   */
  constructor(apply: (value: T) => Promise<void>, gapMs: number, signal: AbortSignal) {
    this.#apply = apply;
    this.#gapMs = gapMs;
    this.#signal = signal;
  }

  put(value: T): void {
    this.#waiting = { value };
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting !== undefined && !this.#signal.aborted) {
      const { value } = this.#waiting;
      this.#waiting = undefined;
      await Promise.all([this.#apply(value), pause(this.#gapMs, this.#signal)]);
    }
    this.#busy = false;
  }
}
