import { fork, type ChildProcess } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { labDir } from "../../lab/src/paths";
import { processesOf } from "../../pulumi-test-utils/src/engine/processes";
import { engineHome } from "../scenario/lab-files";

/**
 * After an interruption the demo has this time to end by itself, so that the engine can write its
 * state.
 */
const GRACE_MS = 20_000;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs the demo in a process of its own that Ctrl-C does not reach. The caller can end it at any
 * moment, however busy it is, and clean up afterwards.
 * @returns 0 passed, 1 failed, 130 interrupted; only the demo's lab is left then
 */
export async function superviseDemo(
  lab: string,
  demo: readonly [machines: string, topology: string, bootstrap: string],
  log: (line: string) => void,
): Promise<number> {
  const child = fork(path.join(__dirname, "worker.ts"), [lab, ...demo], {
    execArgv: ["--import", pathToFileURL(require.resolve("tsx")).href],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true,
  });
  const exit = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
  let interrupted = false;
  const interrupt = (signal: NodeJS.Signals) => {
    if (interrupted) return;
    interrupted = true;
    log(`${signal}: the demo ends and removes its lab`);
    if (child.connected) child.disconnect();
    void sleep(GRACE_MS, undefined, { ref: false }).then(() => killGroup(child));
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const code = await exit;
    return interrupted ? 130 : code;
  } finally {
    killGroup(child);
    for (const pid of processesOf(engineHome(labDir(lab)))) kill(pid);
    // from here on a second Ctrl-C is ignored: the caller cleans up
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined) kill(-child.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}
