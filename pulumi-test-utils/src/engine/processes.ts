import { readdirSync, readFileSync } from "node:fs";

/** Environment variable of an engine and its plugins that holds the engine's home. */
export const ENGINE_MARK = "CONTROL_PLANE_LB_ENGINE";

/** PIDs of an engine's processes: the CLI and its plugins. */
export function processesOf(home: string): number[] {
  const mark = `${ENGINE_MARK}=${home}`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .filter((pid) => environment(pid).includes(mark))
    .map(Number);
}

function environment(pid: string): string[] {
  try {
    // a zombie has no environment
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
