import { spawn } from "node:child_process";

/** Result of a finished command. After a signal, `code` is 128 + its number, as in a shell. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Standard input. @default empty */
  readonly input?: string;
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Throw on an exit code other than 0. @default true */
  readonly check?: boolean;
  /** Deadline in milliseconds; the whole process group is killed after it. @default none */
  readonly timeoutMs?: number;
  /** Kill the command when this process dies. @default false */
  readonly dieWithParent?: boolean;
  /** Receives each line of stderr while the command runs. */
  readonly onStderrLine?: (line: string) => void;
  /** Short name of the command in errors. @default the command line */
  readonly title?: string;
}

/** A failed command. The message has its title, the reason and the last 20 lines of its output. */
export class CommandError extends Error {
  constructor(
    readonly title: string,
    readonly result: Finished,
    reason: string,
  ) {
    const said = (result.stderr.trim() === "" ? result.stdout : result.stderr).trim();
    super(`${title}: ${reason}${said === "" ? "" : `\n${said.split("\n").slice(-20).join("\n")}`}`);
    this.name = "CommandError";
  }
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};

/** Runs a command to its end and collects its output. @throws CommandError */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const words = options.dieWithParent
    ? ["setpriv", "--pdeathsig", "KILL", "--", ...command]
    : command;
  const title = options.title ?? command.join(" ");
  return new Promise((resolve, reject) => {
    const group = options.timeoutMs !== undefined;
    const child = spawn(words[0] ?? "", words.slice(1), {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: "pipe",
      detached: group,
    });
    let stdout = "";
    let stderr = "";
    let rest = "";
    let timedOut = false;
    const timer = group
      ? setTimeout(() => {
          timedOut = true;
          killGroup(child.pid);
        }, options.timeoutMs)
      : undefined;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      if (options.onStderrLine === undefined) return;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(options.onStderrLine);
    });
    // A command may end without reading its input: its exit code decides, not EPIPE.
    child.stdin.on("error", () => undefined).end(options.input ?? "");
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new Error(`${title}: cannot be started: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const number = signal === null ? 0 : (SIGNAL_NUMBERS[signal] ?? 1);
      const result = { code: code ?? 128 + number, stdout, stderr };
      if (timedOut) {
        reject(new CommandError(title, result, `not done after ${options.timeoutMs} ms, killed`));
      } else if (result.code !== 0 && options.check !== false) {
        reject(
          new CommandError(title, result, signal === null ? `exit code ${result.code}` : signal),
        );
      } else {
        resolve(result);
      }
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has already ended.
  }
}
