/** Counters and gauges as Prometheus text (exposition format 0.0.4). Written only, never read. */

const PREFIX = "control_plane_lb_updater";

/** Values of the label `kind`. */
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

/** All numbers of the updater. */
export class Metrics {
  /** resourceVersion of the object whose change was applied last. */
  revision = "";
  backends = 0;
  refused = 0;
  outOfSlice = 0;
  waitingForToken = false;
  /** Age of the last sync; undefined before the first one. */
  secondsSinceSync: number | undefined;
  applies = 0;
  reloads = 0;
  watchRestarts = 0;
  sessionsCut = 0;
  /** HAProxy's own binary is there to check files with. */
  configCheckAvailable = false;
  /** How many problems there are of each reason. */
  readonly problems = new Map<string, number>();
  readonly #errors = new Map<ErrorKind, number>(ERROR_KINDS.map((kind) => [kind, 0]));

  /** @param reasons of problems: each has its line from the start */
  constructor(reasons: readonly string[] = []) {
    for (const reason of reasons) this.problems.set(reason, 0);
  }

  countError(kind: ErrorKind): void {
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  errors(kind: ErrorKind): number {
    return this.#errors.get(kind) ?? 0;
  }

  /** The text for `/metrics`. */
  render(): string {
    return `${[...this.#gauges(), ...this.#counters()].join("\n")}\n`;
  }

  #gauges(): string[] {
    const age = this.secondsSinceSync;
    const revision = this.revision.replace(/[^0-9A-Za-z]/g, "");
    return [
      gauge(
        "last_sync_timestamp_seconds",
        "When an API server last confirmed the backends (Unix time; 0: not yet).",
        age === undefined ? 0 : Date.now() / 1000 - age,
      ),
      metric("applied_info", "gauge", "The resourceVersion of the last applied change.", [
        [`{revision="${revision}"}`, 1],
      ]),
      gauge("backends", "Accepted backends.", this.backends),
      gauge(
        "refused_entries",
        "Refused entries of the ConfigMap and endpoints of the EndpointSlice.",
        this.refused,
      ),
      gauge("out_of_slice_backends", "Backends that have left the EndpointSlice.", this.outOfSlice),
      gauge(
        "waiting_for_token",
        "1: there is no token, so the updater asks no API server.",
        Number(this.waitingForToken),
      ),
      gauge(
        "config_check_available",
        "1: HAProxy's own binary checks haproxy.cfg before it is replaced. 0: it does not.",
        Number(this.configCheckAvailable),
      ),
      metric("problems", "gauge", "Problems at the moment, by the reason of their Event.", [
        ...[...this.problems].map(([reason, count]): Sample => [`{reason="${reason}"}`, count]),
      ]),
      gauge("resident_memory_bytes", "Resident memory of the updater.", process.memoryUsage.rss()),
    ].flat();
  }

  #counters(): string[] {
    return [
      counter("applies_total", "Applied changes of the backends.", this.applies),
      counter("reloads_total", "Reloads of HAProxy.", this.reloads),
      counter(
        "sessions_cut_total",
        "Times that sessions of an unresponsive server were shut down.",
        this.sessionsCut,
      ),
      counter("watch_restarts_total", "Watches that broke.", this.watchRestarts),
      metric("errors_total", "counter", "Errors by kind.", [
        ...[...this.#errors].map(([kind, count]): Sample => [`{kind="${kind}"}`, count]),
      ]),
    ].flat();
  }
}

/** Labels in braces, or nothing, and the value. */
type Sample = readonly [labels: string, value: number];

function gauge(name: string, help: string, value: number): string[] {
  return metric(name, "gauge", help, [["", value]]);
}

function counter(name: string, help: string, value: number): string[] {
  return metric(name, "counter", help, [["", value]]);
}

function metric(name: string, type: string, help: string, samples: readonly Sample[]): string[] {
  const full = `${PREFIX}_${name}`;
  return [
    `# HELP ${full} ${help}`,
    `# TYPE ${full} ${type}`,
    ...samples.map(([labels, value]) => `${full}${labels} ${value}`),
  ];
}
