/** Problems of the desired backends together: nobody answers HAProxy's checks. */
import { readFileSync } from "node:fs";
import { missingRoot } from "../../haproxy/ca";
import type { Backend } from "../../haproxy/model";
import type { Snapshot, Stat } from "../../haproxy/runtime";
import { formatBackend } from "../../haproxy/model";
import type { Context } from "../context";

/** A restart of a control plane's only API server, or a change of all addresses, takes less. */
const LASTING_MS = 3000;

type ServingContext = Pick<Context, "settings" | "report" | "now">;

/** Who serves, and who should. */
export interface Serving {
  readonly slots: readonly (Backend | undefined)[];
  readonly leaving: ReadonlyMap<number, Backend>;
}

/** Reports who serves in place of the desired backends, once that has lasted. */
export class ServingProblems {
  readonly #context: ServingContext;
  #leavingSinceMs: number | undefined;
  #uncheckedSinceMs: number | undefined;
  /** Kept while the problem lasts: results of checks alternate, and each text is another Event. */
  #results: string | undefined;

  constructor(context: ServingContext) {
    this.#context = context;
  }

  report(serving: Serving, snapshot: Snapshot): void {
    const { settings, report, now } = this.#context;
    const { leaving } = serving;
    const isUp = ({ pool, status }: Stat): boolean =>
      (pool === "ready" || pool === "alive") && status.startsWith("UP");
    this.#leavingSinceMs = leaving.size === 0 ? undefined : (this.#leavingSinceMs ?? now());
    this.#uncheckedSinceMs = snapshot.stats.some(isUp)
      ? undefined
      : (this.#uncheckedSinceMs ?? now());
    if (this.#lasts(this.#leavingSinceMs)) {
      report.begin("NoBackendAnswers", describeLeaving(serving));
    } else report.end("NoBackendAnswers");
    if (this.#lasts(this.#uncheckedSinceMs)) {
      this.#results ??= resultsOf(snapshot);
      const hint = caHint(settings.haproxy.caFile);
      report.begin("NoCheckPasses", `${describeUnchecked(this.#results, snapshot)}${hint}`);
    } else {
      this.#results = undefined;
      report.end("NoCheckPasses");
    }
  }

  #lasts(sinceMs: number | undefined): boolean {
    return sinceMs !== undefined && this.#context.now() - sinceMs >= LASTING_MS;
  }
}

function describeLeaving({ slots, leaving }: Serving): string {
  const list = (backends: Iterable<Backend | undefined>): string =>
    [...backends]
      .flatMap((it) => (it === undefined ? [] : [`${it.name} (${formatBackend(it)})`]))
      .sort()
      .join(", ");
  return (
    `none of the desired backends answers HAProxy's checks: ${list(slots)}; ` +
    `the former ones serve on until one does: ${list(leaving.values())}`
  );
}

/** Names an intermediate CA without its root as the cause. */
function caHint(caFile: string): string {
  try {
    const missing = missingRoot(readFileSync(caFile, "utf8"));
    return missing === undefined ? "" : `; ${missing} to ${caFile}`;
  } catch {
    return "";
  }
}

/** The results of the readiness checks, each once. */
function resultsOf({ stats }: Snapshot): string {
  const results = stats.flatMap(({ pool, status, checkStatus }) =>
    pool === "ready" && !status.startsWith("MAINT") && checkStatus !== "" ? [checkStatus] : [],
  );
  return [...new Set(results)].sort().join(", ");
}

function describeUnchecked(results: string, { stats }: Snapshot): string {
  const isReachable = stats.some(
    ({ pool, status }) => pool === "reachable" && status.startsWith("UP"),
  );
  const instead = isReachable
    ? "connections go unchecked to those that accept them"
    : "none accepts connections either, so new ones are closed at once";
  return `no API server passes HAProxy's checks (${results}): ${instead}`;
}
