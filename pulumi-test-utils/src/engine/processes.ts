import { readdirSync, readFileSync } from "node:fs";

/** Variable in the environment of an engine and its plugins: the home of the engine they belong to. */
export const ENGINE_MARK = "CONTROL_PLANE_LB_ENGINE";

/** Pids of the processes that were started for an engine: the CLI and its plugins. */
export function processesOf(home: string): number[] {
  const mark = `${ENGINE_MARK}=${home}`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .filter((pid) => environment(pid).includes(mark))
    .map(Number);
}

function environment(pid: string): string[] {
  try {
    // a process that has ended, but was not waited for, has no environment left
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
