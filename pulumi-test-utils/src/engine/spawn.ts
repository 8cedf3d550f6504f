import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processesOf } from "./processes";

/** Settings of the child process, sent by stdin. */
export interface SpawnRequest {
  readonly home: string;
  readonly projectFile: string;
  readonly stack: string;
  /** File of the module that exports the program. */
  readonly module: string;
  readonly exportName: string;
  /** Which plugins run; undefined as in HomeOptions. */
  readonly plugins?: "best" | "stand-in";
}

/** An `up` in a separate process group. */
export interface SpawnedUp {
  readonly pid: number;
  /** Output so far. */
  readonly output: () => string;
  /** Resolves at the end of the process: exit code, or null if it was killed. */
  readonly done: Promise<{ readonly code: number | null; readonly output: string }>;
  /**
   * Sends SIGKILL to the group and waits for the end of all engine processes.
   *
   * @throws after 30 s
   */
  kill(): Promise<void>;
}

const KILL_LIMIT_MS = 30_000;

/** Runs `up` of an existing stack in a separate process group. Use {@link Engine.spawnUp}. */
export function spawnUp(request: SpawnRequest, env: Readonly<Record<string, string>>): SpawnedUp {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", resolve(__dirname, "spawned-main.ts")],
    {
      cwd: resolve(__dirname, "../../.."),
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output += data.toString();
    });
  }
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify(request));
  const done = new Promise<{ code: number | null; output: string }>((settle, fail) => {
    child.once("error", fail);
    child.once("close", (code) => settle({ code, output }));
  });
  done.catch(() => undefined);
  const { pid } = child;
  if (pid === undefined) throw new Error("the child process for `up` did not start");
  return {
    pid,
    output: () => output,
    done,
    async kill() {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // it has ended already
      }
      const deadline = Date.now() + KILL_LIMIT_MS;
      while (processesOf(request.home).length > 0) {
        if (Date.now() > deadline) {
          const left = processesOf(request.home).join(", ");
          throw new Error(`processes of the killed engine are still there: ${left}`);
        }
        await sleep(50);
      }
      await done.catch(() => undefined);
    },
  };
}
