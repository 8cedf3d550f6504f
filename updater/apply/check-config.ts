/** Has a configuration file checked by the HAProxy that will run it, where that binary is at hand. */
import { spawnSync } from "node:child_process";
import type { Log } from "../report/log";
import type { Metrics } from "../report/metrics";

const TIMEOUT_MS = 20_000;

/** POSIX: a shell's, and a dynamic loader's, word for "found, but cannot run" and "not found". */
const CANNOT_RUN: ReadonlySet<number | null> = new Set([126, 127]);

/** Where it is said that files are not checked. */
export interface CheckReport {
  readonly log: Log;
  readonly metrics?: Metrics;
}

/**
 * A check for writeFileAtomically. Where the command cannot run at all, files pass unchecked, and that is said loudly: HAProxy without
 * this check is better than no HAProxy.
 * @param command e.g. `["haproxy", "-c", "-f"]`; the file's name is added. Undefined: nothing is checked.
 */
export function checkWith(
  command: readonly string[] | undefined,
  report: CheckReport,
): (file: string) => void {
  return (file) => {
    const verdict = runCheck(command, file);
    tell(verdict, report);
    if (verdict.kind === "refused") throw new RefusedConfigError(verdict.said);
    if (verdict.kind === "failed") throw new Error(verdict.said);
  };
}

/** Finds out whether files can be checked, before the first one is: log and metric say so from the start. */
export function probeCheck(command: readonly string[] | undefined, report: CheckReport): void {
  tell(runCheck(command, "/dev/null"), report);
}

/** HAProxy would not start with this configuration. */
export class RefusedConfigError extends Error {
  override readonly name = "RefusedConfigError";
}

type Verdict =
  | { readonly kind: "good" }
  /** HAProxy has said no. */
  | { readonly kind: "refused"; readonly said: string }
  /** HAProxy has said nothing, this time. */
  | { readonly kind: "failed"; readonly said: string }
  /** There is no HAProxy here to ask. */
  | { readonly kind: "unavailable"; readonly said: string };

function runCheck(command: readonly string[] | undefined, file: string): Verdict {
  const [program, ...args] = command ?? [];
  if (program === undefined) return { kind: "unavailable", said: "no checkCommand is set" };
  const run = spawnSync(program, [...args, file], { encoding: "utf8", timeout: TIMEOUT_MS });
  const error: NodeJS.ErrnoException | undefined = run.error;
  const code = error?.code;
  if (error !== undefined && code !== "ETIMEDOUT") {
    return { kind: "unavailable", said: `${program}: ${error.message}` };
  }
  const said = `${run.stdout}${run.stderr}`.trim().slice(-2000);
  if (CANNOT_RUN.has(run.status)) return { kind: "unavailable", said: `${program}: ${said}` };
  if (run.status === 0) return { kind: "good" };
  if (run.status !== null) return { kind: "refused", said: `${program} refuses ${file}: ${said}` };
  const how = code ?? run.signal ?? "unknown";
  return { kind: "failed", said: `${program} could not check ${file} (${how}): ${said}` };
}

function tell(verdict: Verdict, { log, metrics }: CheckReport): void {
  const available = verdict.kind !== "unavailable";
  if (metrics !== undefined) metrics.configCheckAvailable = available;
  if (!available) {
    log.warn("haproxy.cfg is written WITHOUT a check by HAProxy's own binary", {
      reason: verdict.said,
    });
  }
}
