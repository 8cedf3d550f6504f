/** What keeps files or HAProxy from being as wanted: told to log, metrics and Events, and remembered as long as it lasts. */
import { errorText, type Log } from "./log";
import type { ErrorKind, Metrics } from "./metrics";

/** Whom problems are told to. */
export interface ProblemParts {
  readonly metrics: Metrics;
  readonly log: Log;
  /** Something that an operator should hear of, with the reason of an Event. */
  readonly onProblem: (reason: string, message: string) => void;
}

/** The problems of the moment, each by the reason of its Event. */
export class Problems {
  readonly #parts: ProblemParts;
  readonly #present = new Map<string, string>();

  constructor(parts: ProblemParts) {
    this.#parts = parts;
  }

  /** @param change what an operator should read beside the error's own words */
  begin(kind: ErrorKind, reason: string, error: unknown, change = ""): void {
    const { metrics, log, onProblem } = this.#parts;
    const text = `${change === "" ? "" : `${change}: `}${errorText(error)}`;
    metrics.countError(kind);
    // What is tried each second is said once.
    if (this.#present.get(reason) !== text) log.warn(reason, { error: text });
    this.#present.set(reason, text);
    onProblem(reason, text);
  }

  end(reason: string): void {
    this.#present.delete(reason);
  }

  list(): string[] {
    return [...this.#present].map(([reason, text]) => `${reason}: ${text}`);
  }
}
