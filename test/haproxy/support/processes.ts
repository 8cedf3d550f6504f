import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Child processes with their logs in one folder. */
export class Processes {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #all = new Set<ChildProcess>();

  /** @param env of every process */
  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
  }

  /** Starts a program; its output is appended to the log of this name. */
  start(
    name: string,
    program: string,
    args: readonly string[],
    more: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const env = { ...this.#env, ...more };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const log = createWriteStream(this.#logFile(name), { flags: "a" });
    log.on("error", () => undefined);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#all.add(child);
    return child;
  }

  log(name: string): string {
    return existsSync(this.#logFile(name)) ? readFileSync(this.#logFile(name), "utf8") : "";
  }

  async killAll(): Promise<void> {
    for (const child of this.#all) await end(child, "SIGKILL");
  }

  #logFile(name: string): string {
    return join(this.#folder, `${name}.log`);
  }
}

/** Sends the signal, and resolves when the process has ended. */
export async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
