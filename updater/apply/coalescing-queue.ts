/** For changes that come faster than they can or should be applied. */
import { pause } from "../backoff";

/**
 * Applies values one at a time: the first at once, then after a gap only the newest. No value waits
 * for the stream to pause.
 */
export class CoalescingQueue<T> {
  readonly #apply: (value: T) => Promise<void>;
  readonly #gapMs: number;
  readonly #signal: AbortSignal;
  #waiting: { readonly value: T } | undefined;
  #busy = false;

  /**
   * @param apply never rejects
   * @param gapMs least time between the starts of two applications
   * @param signal ends it: a waiting value is dropped
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
