/** When an API server last confirmed each source of the backends. */
export class SyncState {
  readonly #confirmedAtMs = new Map<string, number | undefined>();
  readonly #now: () => number;

  /** @param now milliseconds on a monotonic clock: the system's clock may be set */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Registers a source: the backends are in sync only when it is confirmed, too. */
  expect(source: string): void {
    this.#confirmedAtMs.set(source, undefined);
  }

  /** An API server has just sent this source, or confirmed that it is unchanged. */
  confirm(source: string): void {
    this.#confirmedAtMs.set(source, this.#now());
  }

  /** Age of the oldest source's confirmation in seconds; undefined until all are confirmed. */
  get seconds(): number | undefined {
    const times = [...this.#confirmedAtMs.values()];
    if (times.length === 0 || times.includes(undefined)) return undefined;
    return (this.#now() - Math.min(...(times as number[]))) / 1000;
  }
}
