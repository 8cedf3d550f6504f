/** The one way to report a problem: log, metric, Event and /status agree. */
import { errorText, type Log } from "./log";
import type { ErrorKind, Metrics } from "./metrics";

/**
 * All problems, by the reason of their Event, each with the error kind that it counts.
 * A problem lasts: it begins, and ends when its cause is gone.
 */
export const PROBLEMS = {
  /** A source has no usable backend: the last good ones stay. */
  NoBackends: "empty",
  /** An entry of the ConfigMap, or an endpoint of the EndpointSlice, is not a valid backend. */
  BackendRefused: undefined,
  /** No API server answers with the sources of the backends. */
  SyncFailed: undefined,
  /** Applying the desired backends failed in an unforeseen way. */
  BackendsNotApplied: undefined,
  /** haproxy.cfg is not as desired: refused by HAProxy, or the disk is full. */
  ConfigurationNotWritten: "write",
  /** HAProxy's own binary, which `checkCommand` names, cannot run. */
  ConfigurationNotChecked: undefined,
  ServerStateNotWritten: "write",
  ReloadFailed: "reload",
  /** HAProxy's admin socket has not answered, or has refused our commands, for some seconds. */
  HaproxyUnreachable: undefined,
  /** No desired backend answers, and former ones serve in their place. */
  NoBackendAnswers: undefined,
  /** No server passes a check: those that accept connections get them. */
  NoCheckPasses: undefined,
  /** API servers answer 401 or 403 to HAProxy's checks. */
  ChecksUnauthorized: undefined,
  /** HAProxy's checks are to carry a token, and there is none. */
  CheckTokenMissing: "token",
  /** HAProxy's limit of open files is too low for `maxConnections`. */
  FewOpenFiles: undefined,
} as const satisfies Record<string, ErrorKind | undefined>;

export type ProblemReason = keyof typeof PROBLEMS;

export const PROBLEM_REASONS = Object.keys(PROBLEMS) as readonly ProblemReason[];

/** At most so many Events for problems of one reason at a time. */
const MAX_EVENTS = 10;

/** Where the reporter writes. */
export interface ReporterOutputs {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Called again while a problem lasts; it drops repetitions itself. @default no Events */
  readonly sendEvent?: (reason: ProblemReason, message: string) => void;
}

/** The problems of the moment. */
export class Reporter {
  readonly #outputs: ReporterOutputs;
  readonly #present = new Map<ProblemReason, readonly string[]>();

  constructor(outputs: ReporterOutputs) {
    this.#outputs = outputs;
  }

  /**
   * The problem is there. Repeat the call on every failed attempt: each counts as an error,
   * and the log has a line only when the text is new.
   * @param error its text is the problem's
   * @param change stands before the error's text: what was attempted
   */
  begin(reason: ProblemReason, error: unknown, change = ""): void {
    this.replace(reason, [`${change === "" ? "" : `${change}: `}${errorText(error)}`]);
  }

  /** The problem is gone. */
  end(reason: ProblemReason): void {
    this.replace(reason, []);
  }

  /** These are the problems of this reason, and no others. */
  replace(reason: ProblemReason, texts: readonly string[]): void {
    const { log, metrics } = this.#outputs;
    // A set: a ConfigMap may have tens of thousands of refused entries.
    const before = new Set(this.#present.get(reason));
    this.#present.set(reason, texts);
    metrics.problems.set(reason, texts.length);
    const kind = PROBLEMS[reason];
    for (const text of texts) {
      if (kind !== undefined) metrics.countError(kind);
      if (!before.has(text)) log.warn(text, { reason });
    }
    this.#sendEvents(reason, texts);
    if (texts.length === 0 && before.size > 0) log.info("problem ended", { reason });
  }

  /** Offers the Events of all present problems again: some may not have been written yet. */
  repeatEvents(): void {
    for (const [reason, texts] of this.#present) this.#sendEvents(reason, texts);
  }

  /** `Reason: text` of each problem, for /status. */
  list(): string[] {
    return [...this.#present].flatMap(([reason, texts]) =>
      texts.map((text) => `${reason}: ${text}`),
    );
  }

  #sendEvents(reason: ProblemReason, texts: readonly string[]): void {
    for (const text of texts.slice(0, MAX_EVENTS)) this.#outputs.sendEvent?.(reason, text);
  }
}
