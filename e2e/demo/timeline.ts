import type { DemoReport } from "./report";

/** The parts of the report that the timeline shows. */
export type TimelineData = Pick<
  DemoReport,
  "phases" | "timeline" | "servedBy" | "machines" | "firstAnswerAt" | "endpoint"
>;

const WIDTH = 1200;
const LEFT = 120;
// room for the last phase's slanted label
const RIGHT = 130;
const TOP = 250;
const BARS = 200;
const LANE = 22;

const COLOURS = {
  ok: "#4c9f70",
  failed: "#d1495b",
  lost: "#edae49",
  slow: "#30638e",
  HAProxy: "#30638e",
  forward: "#9fb8ad",
  none: "none",
};

/**
 * Draws the run as SVG: responses per second, slowest response, phases, and what served each
 * machine. Pure.
 */
export function renderTimeline(report: TimelineData): string {
  const start = report.firstAnswerAt ?? 0;
  const seconds = Math.max(1, report.timeline.length);
  const x = (second: number) =>
    LEFT + (Math.min(Math.max(second, 0), seconds) / seconds) * (WIDTH - LEFT - RIGHT);
  const since = (at: number) => (at - start) / 1000;
  const lanesTop = TOP + BARS + 40;
  const height = lanesTop + report.machines.length * LANE + 60;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(LEFT, 20, `Requests through ${report.endpoint} since the first answer`, 'font-size="16"'),
    ...legend(),
    ...phases(report, x, since, lanesTop + report.machines.length * LANE),
    ...bars(report, x),
    ...axis(seconds, x, lanesTop + report.machines.length * LANE),
    ...lanes(report, x, since, seconds, lanesTop),
    "</svg>",
    "",
  ].join("\n");
}

function legend(): string[] {
  const entries = [
    ["ok", "responses per second"],
    ["failed", "failed"],
    ["lost", "in flight, stalled, election"],
    ["slow", "slowest response (line; full height = 5 s)"],
  ] as const;
  return entries.flatMap(([key, label], index) => [
    `<rect x="${LEFT + index * 180}" y="32" width="12" height="12" fill="${COLOURS[key]}"/>`,
    text(LEFT + index * 180 + 18, 43, label),
  ]);
}

type Scale = (second: number) => number;

function phases(report: TimelineData, x: Scale, since: (at: number) => number, bottom: number) {
  const start = (phase: { startedAt: number }) => x(since(phase.startedAt));
  const shades = report.phases.map((phase, index) => {
    const width = x(since(phase.startedAt) + phase.seconds) - start(phase);
    const shade = index % 2 === 0 ? "#f4f4f0" : "#ffffff";
    return `<rect x="${n(start(phase))}" y="60" width="${n(width)}" height="${bottom - 60}" fill="${shade}"/>`;
  });
  // drawn after all shades, so that none covers a label
  const labels = report.phases.map((phase) => {
    const label = `${phase.name}${phase.failed > 0 ? ` (${phase.failed} failed)` : ""}`;
    const at = start(phase) + 12;
    return text(at, TOP - 8, label, `transform="rotate(-50 ${n(at)} ${TOP - 8})"`);
  });
  return [...shades, ...labels];
}

function bars({ timeline }: TimelineData, x: Scale): string[] {
  const highest = Math.max(1, ...timeline.map((s) => s.ok + s.failed + s.lost));
  const width = Math.max(0.5, x(1) - x(0) - 0.3);
  const base = TOP + BARS;
  const columns = timeline.flatMap((sample) => {
    let y = base;
    const part = (count: number, colour: string) => {
      if (count === 0) return [];
      const tall = (count / highest) * BARS;
      y -= tall;
      return [
        `<rect x="${n(x(sample.second))}" y="${n(y)}" width="${n(width)}" height="${n(tall)}" fill="${colour}"/>`,
      ];
    };
    return [
      ...part(sample.ok, COLOURS.ok),
      ...part(sample.lost, COLOURS.lost),
      ...part(sample.failed, COLOURS.failed),
    ];
  });
  const line = timeline
    .map(({ second, slowestMs }) => {
      const y = base - Math.min(1, slowestMs / 5000) * BARS;
      return `${n(x(second + 0.5))},${n(y)}`;
    })
    .join(" ");
  return [
    ...columns,
    `<polyline points="${line}" fill="none" stroke="${COLOURS.slow}" stroke-width="1.2"/>`,
    text(LEFT - 8, TOP + 10, `${highest}/s`, 'text-anchor="end"'),
  ];
}

function axis(seconds: number, x: Scale, bottom: number): string[] {
  const step = [10, 30, 60, 120, 300, 600, 3600].find((s) => seconds / s <= 14) ?? 7200;
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
  return marks.flatMap((second) => [
    `<line x1="${n(x(second))}" x2="${n(x(second))}" y1="${TOP + BARS}" y2="${bottom + 4}" stroke="#bbb" stroke-width="0.5"/>`,
    text(x(second), bottom + 18, `${second} s`, 'text-anchor="middle"'),
  ]);
}

function lanes(
  report: TimelineData,
  x: Scale,
  since: (at: number) => number,
  seconds: number,
  top: number,
): string[] {
  return report.machines
    .flatMap(({ name }, index) => {
      const y = top + index * LANE;
      const changes = report.servedBy.filter((change) => change.machine === name);
      const pieces = changes.map((change, position) => {
        const next = changes[position + 1];
        const from = x(since(change.at));
        const to = x(next === undefined ? seconds : since(next.at));
        return `<rect x="${n(from)}" y="${y}" width="${n(to - from)}" height="${LANE - 6}" fill="${COLOURS[change.server]}"><title>${change.server}</title></rect>`;
      });
      const label = index === 0 ? `${name} (endpoint)` : name;
      return [text(LEFT - 8, y + 12, label, 'text-anchor="end"'), ...pieces];
    })
    .concat(
      (["forward", "HAProxy"] as const).flatMap((server, index) => [
        `<rect x="${LEFT + index * 120}" y="${top - 22}" width="12" height="12" fill="${COLOURS[server]}"/>`,
        text(LEFT + index * 120 + 18, top - 12, `${server} serves`),
      ]),
    );
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${n(x)}" y="${n(y)}" ${attributes}>${safe}</text>`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
