import { table } from "../../status/render";
import type { ConsumptionRow } from "./updater-consumption";
import { percentile, sort, summarize } from "./statistics";

/** Times from the API's acknowledgement until every load balancer routes by the change, in ms. */
export interface Series {
  readonly name: string;
  readonly times: readonly number[];
}

/** Effect of operations on the load balancers on their clients. */
export interface Cost {
  readonly name: string;
  /** Number of operations. */
  readonly count: number;
  readonly sent: number;
  readonly failed: number;
  readonly watchBreaks: number;
  readonly missedEvents: number;
  readonly longestGapMs: number;
  /** Reloads by the updaters in the same time. */
  readonly reloads: number;
}

/** Content of reports/bench-convergence.json. */
export interface ConvergenceReport {
  readonly machines: readonly string[];
  readonly plugins: Readonly<Record<string, string>>;
  readonly series: readonly Series[];
  readonly costs: readonly Cost[];
  readonly consumption: readonly ConsumptionRow[];
}

/** The tables that the benchmark prints. */
export function renderConvergence(report: ConvergenceReport): string {
  const times = report.series.map(({ name, times }) => {
    const { count, p50, p99, max } = summarize(times);
    return [name, String(count), ...[p50, p99, max].map((ms) => ms.toFixed(0))];
  });
  const costs = report.costs.map((cost) => [
    cost.name,
    ...[
      cost.count,
      cost.sent,
      cost.failed,
      cost.watchBreaks,
      cost.missedEvents,
      Math.round(cost.longestGapMs),
      cost.reloads,
    ].map(String),
  ]);
  const used = report.consumption.map((row) => [
    String(row.backends),
    String(row.changesPerMinute),
    row.cpuPercent.toFixed(2),
    row.rssMB.toFixed(1),
  ]);
  const lbs = report.machines.length;
  return [
    `from the API's acknowledgement until all ${lbs} load balancers route by the change`,
    table([["METHOD", "N", "P50 ms", "P99 ms", "MAX ms"], ...times]),
    "",
    "effect on clients",
    table([
      [
        "OPERATION",
        "COUNT",
        "SENT",
        "FAILED",
        "WATCH BREAKS",
        "MISSED EVENTS",
        "LONGEST GAP ms",
        "UPDATER RELOADS",
      ],
      ...costs,
    ]),
    "",
    "resources used by the updater",
    table([["BACKENDS", "CHANGES A MINUTE", "CPU % OF A CORE", "RSS MB"], ...used]),
  ].join("\n");
}

const WIDTH = 960;
const HEIGHT = 420;
const PLOT = { left: 60, right: 330, top: 40, bottom: 40 };
const DECADES = { from: 0, to: 5.3 };
const COLOURS = [
  "#1b7837",
  "#5aae61",
  "#a6dba0",
  "#30638e",
  "#003d5b",
  "#d1495b",
  "#edae49",
  "#9970ab",
  "#666666",
];

/**
 * Draws the share of changes that had taken effect after each time, as SVG with a logarithmic axis.
 * Pure.
 */
export function drawConvergence({ series }: ConvergenceReport): string {
  const width = WIDTH - PLOT.left - PLOT.right;
  const height = HEIGHT - PLOT.top - PLOT.bottom;
  const x = (ms: number) => {
    const decade = Math.log10(Math.max(1, ms));
    return PLOT.left + ((decade - DECADES.from) / (DECADES.to - DECADES.from)) * width;
  };
  const y = (percent: number) => PLOT.top + (1 - percent / 100) * height;
  const grid = [1, 10, 100, 1000, 10_000, 100_000].flatMap((ms) => [
    `<line x1="${n(x(ms))}" x2="${n(x(ms))}" y1="${PLOT.top}" y2="${PLOT.top + height}" stroke="#ddd"/>`,
    `<text x="${n(x(ms))}" y="${HEIGHT - 18}" text-anchor="middle">${ms < 1000 ? `${ms} ms` : `${ms / 1000} s`}</text>`,
  ]);
  const lines = series
    .filter(({ times }) => times.length > 0)
    .flatMap(({ name, times }, index) => {
      const sorted = sort(times);
      const points = Array.from({ length: 101 }, (_, percent) => {
        return `${n(x(percentile(sorted, percent)))},${n(y(percent))}`;
      });
      const colour = COLOURS[index % COLOURS.length];
      const top = PLOT.top + 12 + index * 20;
      const left = WIDTH - PLOT.right + 16;
      return [
        `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        `<rect x="${left}" y="${top - 9}" width="10" height="10" fill="${colour}"/>`,
        `<text x="${left + 16}" y="${top}">${name} (${times.length})</text>`,
      ];
    });
  const marks = [0, 50, 99].map(
    (percent) =>
      `<text x="${PLOT.left - 6}" y="${n(y(percent) + 4)}" text-anchor="end">${percent} %</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${PLOT.left}" y="22" font-size="15">Share of control-plane changes that all load balancers route by, over time</text>`,
    ...grid,
    ...marks,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
