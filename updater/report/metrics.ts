/** Counters and gauges of the updater, as Prometheus text (exposition format 0.0.4). */

const PREFIX = "control_plane_lb_updater";

/** What can go wrong, as the label `kind`. */
export const ERROR_KINDS = [
  "api",
  "unauthorized",
  "token",
  "runtime",
  "reload",
  "write",
  "event",
  "empty",
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** All numbers; read and written by the parts of the updater. */
export class Metrics {
  /** resourceVersion of the object whose change was applied last. */
  revision = "";
  backends = 0;
  refused = 0;
  outOfSlice = 0;
  waitingForToken = false;
  applies = 0;
  reloads = 0;
  watchRestarts = 0;
  sessionsCut = 0;
  /** Whether HAProxy's own binary is there to check files with. */
  configCheckAvailable = false;
  readonly #errors = new Map<ErrorKind, number>(ERROR_KINDS.map((kind) => [kind, 0]));

  /** Each source of the backends by name, and when an API server last confirmed it: on the monotonic clock, somebody may set the other one. */
  readonly #syncedAtMs = new Map<string, number | undefined>();

  /** From now on the backends are confirmed only when this source is, too. */
  expectSync(source: string): void {
    this.#syncedAtMs.set(source, undefined);
  }

  /** An API server has just told, or confirmed, what this source says. */
  confirmSync(source: string): void {
    this.#syncedAtMs.set(source, performance.now());
  }

  /** Age of the last confirmation, of two sources the older one; undefined before the first one. */
  get secondsSinceSync(): number | undefined {
    const times = [...this.#syncedAtMs.values()];
    if (times.length === 0 || times.includes(undefined)) return undefined;
    return (performance.now() - Math.min(...(times as number[]))) / 1000;
  }

  countError(kind: ErrorKind): void {
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  errors(kind: ErrorKind): number {
    return this.#errors.get(kind) ?? 0;
  }

  /** The text for `/metrics`. */
  render(): string {
    const lines: string[] = [];
    const age = this.secondsSinceSync;
    const add = (name: string, type: string, help: string, samples: [string, number][]): void => {
      const full = `${PREFIX}_${name}`;
      lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`);
      for (const [labels, value] of samples) lines.push(`${full}${labels} ${value}`);
    };
    const one = (value: number): [string, number][] => [["", value]];
    add(
      "last_sync_timestamp_seconds",
      "gauge",
      "When an API server last confirmed the backends (Unix time; 0: not yet).",
      one(age === undefined ? 0 : Date.now() / 1000 - age),
    );
    add(
      "applied_info",
      "gauge",
      "The resourceVersion of the object whose change was applied last.",
      [[`{revision="${this.revision.replace(/[^0-9A-Za-z]/g, "")}"}`, 1]],
    );
    add("backends", "gauge", "Accepted backends.", one(this.backends));
    add(
      "refused_entries",
      "gauge",
      "Entries of the ConfigMap, or endpoints of the EndpointSlice, that were refused.",
      one(this.refused),
    );
    add(
      "out_of_slice_backends",
      "gauge",
      "Backends that have left the EndpointSlice.",
      one(this.outOfSlice),
    );
    add(
      "waiting_for_token",
      "gauge",
      "1: there is no token, so no API server is asked.",
      one(this.waitingForToken ? 1 : 0),
    );
    add(
      "applies_total",
      "counter",
      "Changes of the backends that were applied.",
      one(this.applies),
    );
    add(
      "config_check_available",
      "gauge",
      "1: haproxy.cfg is checked by HAProxy's own binary before it replaces the old one. 0: it is not.",
      one(this.configCheckAvailable ? 1 : 0),
    );
    add("reloads_total", "counter", "Reloads of HAProxy.", one(this.reloads));
    add(
      "sessions_cut_total",
      "counter",
      "Times that the sessions of a server without any answer were cut.",
      one(this.sessionsCut),
    );
    add("watch_restarts_total", "counter", "Watches that broke.", one(this.watchRestarts));
    add(
      "errors_total",
      "counter",
      "Errors by kind.",
      [...this.#errors].map(([kind, count]) => [`{kind="${kind}"}`, count]),
    );
    add(
      "resident_memory_bytes",
      "gauge",
      "Resident memory of the updater.",
      one(process.memoryUsage.rss()),
    );
    return `${lines.join("\n")}\n`;
  }
}
