/** What the sequences have shown, as a table. Pure. */
import { summarize } from "../bench/statistics";
import { table } from "../../status/render";
import type { PhaseReport } from "../load/load";

/** After the ConfigMap is right again, its backends serve within this. */
export const RECOVERED_WITHIN_MS = 10_000;

/** A sequence, or a change of the CA certificates, as a phase of the load. */
export interface Played {
  /** Name of its phase. */
  readonly name: string;
  /** What the operator did, in order. */
  readonly script: string;
  /** Undefined: nothing was to be recovered. */
  readonly recoveryMs?: number;
  /** Runnable processes at its end, on average of a minute: with many, times mean little. */
  readonly loadAverage: number;
}

type Counts = Pick<PhaseReport, "newConnections" | "reused" | "watchBreaks" | "longestGapMs">;

/** A phase with its counts. */
export interface Judged extends Played {
  readonly phase: Counts;
}

/** One line for each phase, then median and maximum of the recoveries. */
export function renderReport(judged: readonly Judged[]): string {
  const head = [
    "PHASE",
    "NEW",
    "FAILED",
    "LOST",
    "GAP",
    "REUSED FAILED",
    "WATCHES",
    "RECOVERED",
    "LOAD",
  ];
  const rows = judged.map(({ name, phase, recoveryMs, loadAverage }) => [
    name,
    String(phase.newConnections.sent),
    String(phase.newConnections.failed),
    String(phase.newConnections.lost),
    `${Math.round(phase.longestGapMs)} ms`,
    `${phase.reused.failed} of ${phase.reused.sent}`,
    `${phase.watchBreaks} ended`,
    recoveryMs === undefined ? "-" : seconds(recoveryMs),
    loadAverage.toFixed(1),
  ]);
  const recoveries = judged.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  const { count, p50, max } = summarize(recoveries);
  const sent = judged.reduce((sum, { phase }) => sum + phase.newConnections.sent, 0);
  const failed = judged.reduce((sum, { phase }) => sum + phase.newConnections.failed, 0);
  return [
    table([head, ...rows]),
    "",
    `new connections: ${sent}, failed: ${failed}`,
    `recoveries: ${count}, median ${seconds(p50)}, longest ${seconds(max)}`,
  ].join("\n");
}

/** What must not be: a failed new connection, a late recovery, a phase without an answer. */
export function problemsOf(judged: readonly Judged[]): string[] {
  return judged.flatMap(({ name, script, phase, recoveryMs }) => {
    const { failed, ok } = phase.newConnections;
    const problems: string[] = [];
    if (ok === 0) problems.push("no new connection was answered");
    if (failed > 0) problems.push(`${failed} new connections failed`);
    if (recoveryMs !== undefined && recoveryMs >= RECOVERED_WITHIN_MS) {
      problems.push(`recovered after ${seconds(recoveryMs)}`);
    }
    return problems.map((problem) => `${name}: ${problem} (${script})`);
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
