import type { LoadReport, PhaseReport } from "../load/load";
import { table } from "../../status/render";
import type { Expectation } from "../scenario/scenarios";
import type { Change } from "../scenario/server-tracker";

/** A part of the demo and how long it took. */
export interface Part {
  readonly name: string;
  readonly seconds: number;
}

/** A phase with what it promised and whether that was kept. */
export interface JudgedPhase extends PhaseReport {
  readonly promise: Expectation;
  /** Empty: kept. */
  readonly broken: readonly string[];
}

/** What reports/demo-report.json holds. */
export interface DemoReport {
  readonly passed: boolean;
  readonly plugins: Readonly<Record<string, string>>;
  readonly machines: readonly { readonly name: string; readonly address: string }[];
  readonly endpoint: string;
  readonly firstAnswerAt?: number;
  readonly parts: readonly Part[];
  readonly phases: readonly JudgedPhase[];
  /** Who served the LB port of which machine from when on, as seen once a second. */
  readonly servedBy: readonly Change[];
  readonly timeline: LoadReport["timeline"];
  readonly generatorLag: LoadReport["generatorLag"];
  readonly skipped: number;
}

/** Compares a phase with its promise. */
export function judge(phase: PhaseReport, promise: Expectation): JudgedPhase {
  const broken: string[] = [];
  if (phase.ok === 0) broken.push("no request was answered");
  if (promise.nothingFails && phase.failed > 0) broken.push(`${phase.failed} requests failed`);
  if (promise.nothingFails && phase.missedEvents > 0) {
    broken.push(`watches missed ${phase.missedEvents} events`);
  }
  if (promise.maxGapMs !== undefined && phase.maxGapMs > promise.maxGapMs) {
    broken.push(`${phase.maxGapMs} ms without an answer, promised are ${promise.maxGapMs}`);
  }
  return { ...phase, promise, broken };
}

const HEAD = [
  "PHASE",
  "SECONDS",
  "SENT",
  "OK",
  "FAILED new",
  "reused",
  "watch",
  "IN FLIGHT LOST",
  "WATCH BREAKS",
  "MISSED EVENTS",
  "MAX GAP ms",
  "P50 ms",
  "P99 ms",
  "PROMISE",
];

/** The table at the end of the demo, with the failures below it. */
export function renderReport(report: DemoReport): string {
  const rows = report.phases.map((phase) => [
    phase.name,
    phase.seconds.toFixed(0),
    String(phase.sent),
    String(phase.ok),
    String(phase.newConnections.failed),
    String(phase.reused.failed),
    String(phase.watches.failed),
    String(phase.inFlightLost),
    String(phase.watchBreaks),
    String(phase.missedEvents),
    phase.maxGapMs.toFixed(0),
    phase.p50Ms.toFixed(0),
    phase.p99Ms.toFixed(0),
    phase.broken.length === 0 ? "kept" : phase.broken.join("; "),
  ]);
  const failures = report.phases.flatMap((phase) =>
    phase.failures.map(
      ({ channel, operation, target, kind, message, at, afterMs }) =>
        `  ${phase.name}: ${new Date(at).toISOString()} ${channel} ${operation} ${target}: ${kind} after ${afterMs.toFixed(0)} ms: ${message}`,
    ),
  );
  const parts = report.parts.map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`);
  const plugins = Object.entries(report.plugins).map(([name, kind]) => `${name}: ${kind}`);
  return [
    table([HEAD, ...rows]),
    "",
    ...(failures.length === 0 ? [] : ["failed (the first 20 of each phase):", ...failures, ""]),
    `times: ${parts.join(", ")}`,
    `plugins: ${plugins.join(", ")}`,
    `delay of the load generator itself: p99 ${report.generatorLag.p99Ms} ms, at most ${report.generatorLag.maxMs} ms`,
    report.passed ? "every promise was kept" : "NOT every promise was kept",
  ].join("\n");
}
