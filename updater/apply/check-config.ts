/** Checks a configuration file with the HAProxy binary that will run it, if there is one. */
import { spawnSync } from "node:child_process";
import type { Context } from "../context";

const TIMEOUT_MS = 20_000;

/** POSIX: the exit codes of shells and dynamic loaders for "cannot execute" and "not found". */
const CANNOT_RUN: ReadonlySet<number | null> = new Set([126, 127]);

type CheckContext = Pick<Context, "log" | "metrics" | "report">;

/**
 * A check for writeFileAtomically. A command that cannot run at all lets files pass, and is
 * reported: HAProxy without this check is better than no HAProxy.
 * @param command e.g. `["haproxy", "-c", "-f"]`; the file's name is added. Undefined: no check.
 */
export function checkWith(
  command: readonly string[] | undefined,
  context: CheckContext,
): (file: string) => void {
  return (file) => {
    const verdict = runCheck(command, file);
    reportAvailability(command, verdict, context);
    if (verdict.kind === "refused") throw new RefusedConfigError(verdict.message);
    if (verdict.kind === "failed") throw new Error(verdict.message);
  };
}

/** Reports whether files can be checked, before the first one is written. */
export function probeCheck(command: readonly string[] | undefined, context: CheckContext): void {
  reportAvailability(command, runCheck(command, "/dev/null"), context);
}

/** HAProxy would not start with this configuration. */
export class RefusedConfigError extends Error {
  override readonly name = "RefusedConfigError";
}

type Verdict =
  | { readonly kind: "good" }
  /** HAProxy refuses the file. */
  | { readonly kind: "refused"; readonly message: string }
  /** The check did not finish. */
  | { readonly kind: "failed"; readonly message: string }
  /** The command cannot run. */
  | { readonly kind: "unavailable"; readonly message: string };

function runCheck(command: readonly string[] | undefined, file: string): Verdict {
  const [program, ...args] = command ?? [];
  if (program === undefined) return { kind: "unavailable", message: "no checkCommand is set" };
  const run = spawnSync(program, [...args, file], { encoding: "utf8", timeout: TIMEOUT_MS });
  const error: NodeJS.ErrnoException | undefined = run.error;
  const code = error?.code;
  if (error !== undefined && code !== "ETIMEDOUT") {
    return { kind: "unavailable", message: `${program}: ${error.message}` };
  }
  const message = withoutPids(`${run.stdout}${run.stderr}`.trim()).slice(-2000);
  if (CANNOT_RUN.has(run.status)) return { kind: "unavailable", message: `${program}: ${message}` };
  if (run.status === 0) return { kind: "good" };
  if (run.status !== null)
    return { kind: "refused", message: `${program} refuses ${file}: ${message}` };
  const how = code ?? run.signal ?? "unknown";
  return { kind: "failed", message: `${program} could not check ${file} (${how}): ${message}` };
}

/** The same refusal has the same text each time: it is logged once, and is one Event. */
function withoutPids(text: string): string {
  return text.replaceAll(/^(\[[A-Z]+\]) *\(\d+\) *:/gm, "$1");
}

/** No command is an operator's choice: that is logged, and is not a problem. */
function reportAvailability(
  command: readonly string[] | undefined,
  verdict: Verdict,
  { log, metrics, report }: CheckContext,
): void {
  const available = verdict.kind !== "unavailable";
  metrics.configCheckAvailable = available;
  if (available) return report.end("ConfigurationNotChecked");
  const text = `haproxy.cfg is written WITHOUT a check by HAProxy's own binary: ${verdict.message}`;
  if (command === undefined) log.warn(text);
  else report.begin("ConfigurationNotChecked", text);
}
