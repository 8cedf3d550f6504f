import { table } from "../../status/render";
import type { Consumption } from "./consumption";
import { percentile, sort, summarize } from "./statistics";

/** Times from the API's acknowledgement until every load balancer routes by the change, in ms. */
export interface Series {
  readonly name: string;
  readonly times: readonly number[];
}

/** What clients noticed of some operations on the load balancers. */
export interface Cost {
  readonly name: string;
  /** Operations that were done. */
  readonly count: number;
  readonly sent: number;
  readonly failed: number;
  readonly watchBreaks: number;
  readonly missedEvents: number;
  readonly maxGapMs: number;
  /** Reloads that the updaters made meanwhile. */
  readonly reloads: number;
}

export interface ConsumptionRow extends Consumption {
  readonly backends: number;
  readonly changesPerMinute: number;
}

/** What reports/bench-convergence.json holds. */
export interface ConvergenceReport {
  readonly machines: readonly string[];
  readonly plugins: Readonly<Record<string, string>>;
  readonly series: readonly Series[];
  readonly costs: readonly Cost[];
  readonly consumption: readonly ConsumptionRow[];
}

/** The tables that end the benchmark. */
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
      Math.round(cost.maxGapMs),
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
    table([["WAY", "N", "P50 ms", "P99 ms", "MAX ms"], ...times]),
    "",
    "what clients noticed",
    table([
      [
        "OPERATION",
        "COUNT",
        "SENT",
        "FAILED",
        "WATCH BREAKS",
        "MISSED EVENTS",
        "MAX GAP ms",
        "RELOADS BY US",
      ],
      ...costs,
    ]),
    "",
    "the updater's own consumption",
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

/** Draws how many of the changes had arrived after which time, as SVG with a logarithmic axis. Pure. */
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
    `<text x="${PLOT.left}" y="22" font-size="15">Changes of the masters that all load balancers route by, after how long</text>`,
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
