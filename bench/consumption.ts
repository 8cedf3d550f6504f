import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab/src/index";

/** What a process used over some time. */
export interface Consumption {
  /** Percent of one core. */
  readonly cpuPercent: number;
  /** Resident set at the end, in MB (10^6 bytes). */
  readonly rssMB: number;
}

/** Clock ticks of /proc/PID/stat in a second, on every Linux of today. */
const TICKS = 100;
const PAGE = 4096;

/** What a machine's updater uses while `action` runs and until `seconds` are over. */
export async function updaterConsumption(
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
  // the name in parentheses may itself contain blanks
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
