import type { Failure, LoadReport, LostRequest } from "../load/load";
import { table } from "../../status/render";
import type { JudgedPhase } from "../scenario/expectation";
import type { ServerChange } from "../scenario/server-tracker";

/** A step of the demo and how long it took. */
export interface Step {
  readonly name: string;
  readonly seconds: number;
}

/** Content of reports/demo-report.json. */
export interface DemoReport {
  readonly passed: boolean;
  readonly plugins: Readonly<Record<string, string>>;
  readonly machines: readonly { readonly name: string; readonly address: string }[];
  readonly endpoint: string;
  readonly firstAnswerAt?: number;
  readonly steps: readonly Step[];
  readonly phases: readonly JudgedPhase[];
  /** What served each machine's LB port from which time on; polled once a second. */
  readonly servedBy: readonly ServerChange[];
  readonly timeline: LoadReport["timeline"];
  readonly generatorLag: LoadReport["generatorLag"];
  readonly skipped: number;
}

const HEAD = [
  "PHASE",
  "SECONDS",
  "SENT",
  "OK",
  "FAILED new",
  "reused",
  "watch",
  "IN FLIGHT",
  "STALLED",
  "ELECTION",
  "WATCH BREAKS",
  "MISSED EVENTS",
  "LONGEST GAP ms",
  "P50 ms",
  "P99 ms",
  "EXPECTATION",
];

/** The table at the end of the demo, then failures and requests lost for a measured cause. */
export function renderReport(report: DemoReport): string {
  const rows = report.phases.map((phase) => [
    phase.name,
    phase.seconds.toFixed(0),
    String(phase.sent),
    String(phase.ok),
    String(phase.newConnections.failed),
    String(phase.reused.failed),
    String(phase.watches.failed),
    String(phase.inFlight),
    String(phase.stalled),
    String(phase.lostInElection),
    String(phase.watchBreaks),
    String(phase.missedEvents),
    phase.longestGapMs.toFixed(0),
    phase.p50Ms.toFixed(0),
    phase.p99Ms.toFixed(0),
    phase.deviations.length === 0 ? "met" : phase.deviations.join("; "),
  ]);
  const failures = report.phases.flatMap(({ name, failures }) =>
    failures.map((failure) => `  ${name}: ${describe(failure)}`),
  );
  // requests in flight at a kill are expected; the table has their number
  const lost = report.phases.flatMap(({ name, lost }) =>
    lost
      .filter(({ cause }) => cause !== "in flight")
      .map((request) => `  ${name}: ${measured(request)}: ${describe(request)}`),
  );
  const steps = report.steps.map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`);
  const plugins = Object.entries(report.plugins).map(([name, kind]) => `${name}: ${kind}`);
  return [
    table([HEAD, ...rows]),
    "",
    ...(failures.length === 0 ? [] : ["failed (the first 20 of each phase):", ...failures, ""]),
    ...(lost.length === 0 ? [] : ["lost outside the load balancer, by measurement:", ...lost, ""]),
    `times: ${steps.join(", ")}`,
    `plugins: ${plugins.join(", ")}`,
    `lag of the load generator: p99 ${report.generatorLag.p99Ms} ms, max ${report.generatorLag.maxMs} ms`,
    report.passed ? "all expectations met" : "NOT all expectations met",
  ].join("\n");
}

function measured({ cause, period: { from, to } }: LostRequest): string {
  const what = cause === "stalled" ? "the load generator stalled" : "etcd had no leader";
  return `${what} for ${(to - from).toFixed(0)} ms from ${new Date(from).toISOString()}`;
}

function describe({ channel, operation, target, kind, message, at, afterMs }: Failure): string {
  const time = new Date(at).toISOString();
  return `${time} ${channel} ${operation} ${target}: ${kind} after ${afterMs.toFixed(0)} ms: ${message}`;
}
