import { formatBackend } from "../../haproxy/model";
import type { ApiServer } from "../http";

/** API servers to remember: more than a cluster has, so that replaced ones do not push it out. */
const MAX_ANSWERED = 16;

/** When an API server last confirmed each source of the backends, and which ones did. */
export class SyncState {
  #answered: readonly ApiServer[];
  readonly #confirmedAtMs = new Map<string, number | undefined>();
  readonly #now: () => number;

  /**
   * @param now milliseconds on a monotonic clock: the system's clock may be set
   * @param answered API servers that answered before the updater's restart, the latest first
   */
  constructor(now: () => number = () => performance.now(), answered: readonly ApiServer[] = []) {
    this.#answered = answered;
    this.#now = now;
  }

  /** Registers a source: the backends are in sync only when it is confirmed, too. */
  expect(source: string): void {
    this.#confirmedAtMs.set(source, undefined);
  }

  /** An API server has just sent this source, or confirmed that it is unchanged. */
  confirm(source: string, apiServer: ApiServer): void {
    this.#confirmedAtMs.set(source, this.#now());
    const name = formatBackend(apiServer);
    if (this.#answered[0] !== undefined && formatBackend(this.#answered[0]) === name) return;
    const others = this.#answered.filter((it) => formatBackend(it) !== name);
    this.#answered = [apiServer, ...others].slice(0, MAX_ANSWERED);
  }

  /** API servers that have sent or confirmed a source, the latest first. */
  get answered(): readonly ApiServer[] {
    return this.#answered;
  }

  /** Age of the oldest source's confirmation in seconds; undefined until all are confirmed. */
  get seconds(): number | undefined {
    const times = [...this.#confirmedAtMs.values()];
    if (times.length === 0 || times.includes(undefined)) return undefined;
    return (this.#now() - Math.min(...(times as number[]))) / 1000;
  }
}
