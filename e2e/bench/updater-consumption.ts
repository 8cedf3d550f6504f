import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ScenarioContext } from "../scenario/context";
import { waitUntil } from "../../tools/src/index";
import type { Lab } from "../../lab/src/index";
import type { ApiClient } from "./api-client";
import { BACKENDS_PATH } from "./backend-changes";

const SECONDS = 60;
const CHANGES_A_MINUTE = 100;

/** Additional backends. Nothing listens there, which HAProxy notices at once. */
const MANY = { count: 197, firstPort: 20_001 };

/** Resources that a process used over some time. */
export interface Consumption {
  /** Percent of one core. */
  readonly cpuPercent: number;
  /** Resident set at the end, in MB (10^6 bytes). */
  readonly rssMB: number;
}

/** One measurement: the updater's resources with so many backends and changes. */
export interface ConsumptionRow extends Consumption {
  readonly backends: number;
  readonly changesPerMinute: number;
}

/** Resources of one updater, idle and busy, with few and many backends, without a load. */
export async function consumption(
  context: ScenarioContext,
  api: ApiClient,
): Promise<ConsumptionRow[]> {
  const { lab, controlPlaneNodes } = context.cluster;
  const { name } = controlPlaneNodes[0]!;
  const { address } = controlPlaneNodes.at(-1)!;
  const rows: ConsumptionRow[] = [];
  const measure = async (backends: number, changesPerMinute: number) => {
    context.log(`consumption: ${backends} backends, ${changesPerMinute} changes a minute`);
    const used = await updaterConsumption(lab, name, SECONDS, () =>
      changeOften(context, api, changesPerMinute),
    );
    rows.push({ backends, changesPerMinute, ...used });
  };
  for (const changes of [0, CHANGES_A_MINUTE]) await measure(controlPlaneNodes.length, changes);
  const keys = Array.from({ length: MANY.count }, (_, index) => `many-${index}`);
  const many = keys.map((key, index) => [key, `${address}:${MANY.firstPort + index}`]);
  await api.mergePatch(BACKENDS_PATH, { data: Object.fromEntries(many) as unknown });
  const total = controlPlaneNodes.length + MANY.count;
  await waitUntil(`${total} backends`, { seconds: 60 }, async () => {
    const { backends } = await context.cluster.updater(name);
    return backends.length === total;
  });
  for (const changes of [0, CHANGES_A_MINUTE]) await measure(total, changes);
  const none: unknown = Object.fromEntries(keys.map((key) => [key, null]));
  await api.mergePatch(BACKENDS_PATH, { data: none });
  return rows;
}

/** Removes the last control-plane node's key and puts it back, in turn, over one minute. */
async function changeOften(
  { cluster }: ScenarioContext,
  api: ApiClient,
  perMinute: number,
): Promise<void> {
  const { name, address } = cluster.controlPlaneNodes.at(-1)!;
  for (let index = 0; index < perMinute; index += 1) {
    const value = index % 2 === 0 ? null : `${address}:${cluster.ports.api}`;
    await api.mergePatch(BACKENDS_PATH, { data: { [name]: value } });
    await sleep(60_000 / perMinute);
  }
}

/** Clock ticks per second in /proc/PID/stat (USER_HZ). */
const TICKS = 100;
const PAGE = 4096;

/** Resources of a machine's updater over `seconds`, or longer if `action` takes longer. */
async function updaterConsumption(
  lab: Lab,
  machine: string,
  seconds: number,
  action: () => Promise<void>,
): Promise<Consumption> {
  const pid = (await lab.exec(machine, "pgrep -f '[u]pdater.js run'")).stdout.trim().split("\n")[0];
  const folder = path.join(lab.rootOf(machine), "proc", pid ?? "");
  const began = performance.now();
  const before = ticks(folder);
  await action();
  await sleep(Math.max(0, seconds * 1000 - (performance.now() - began)));
  const elapsed = (performance.now() - began) / 1000;
  const pages = Number(readFileSync(path.join(folder, "statm"), "utf8").split(" ")[1]);
  return {
    cpuPercent: (100 * (ticks(folder) - before)) / TICKS / elapsed,
    rssMB: (pages * PAGE) / 1e6,
  };
}

function ticks(folder: string): number {
  const stat = readFileSync(path.join(folder, "stat"), "utf8");
  // the name in parentheses may contain spaces
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
