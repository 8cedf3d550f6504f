import { spawn } from "node:child_process";
import { goQuote, trimNewline } from "./go-text";
import { Collector, type Logging } from "./logging";

/** One run of a command on this machine. */
export interface LocalRun {
  readonly command: string;
  /** @default /bin/sh -c */
  readonly interpreter?: readonly string[];
  readonly dir?: string;
  readonly stdin?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logging?: Logging;
  readonly status: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs a command on this machine. Cancelling kills it.
 *
 * @throws the provider's text: exit status, the command and its output
 */
export async function runLocal(run: LocalRun): Promise<{ stdout: string; stderr: string }> {
  const interpreter = run.interpreter?.length ? run.interpreter : ["/bin/sh", "-c"];
  const [program = "/bin/sh", ...args] = [...interpreter, run.command];
  const collector = new Collector(run.logging, run.status);
  const problem = await new Promise<string | undefined>((resolve) => {
    const child = spawn(program, args, {
      cwd: run.dir,
      env: { ...process.env, ...run.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const kill = () => child.kill("SIGKILL");
    const onExit = () => kill();
    run.signal.addEventListener("abort", kill, { once: true });
    process.once("exit", onExit);
    const finish = (text: string | undefined) => {
      run.signal.removeEventListener("abort", kill);
      process.off("exit", onExit);
      resolve(text);
    };
    child.stdout.on("data", (data: Buffer) => collector.add("stdout", data));
    child.stderr.on("data", (data: Buffer) => collector.add("stderr", data));
    child.once("error", (error) => finish(`fork/exec ${program}: ${error.message}`));
    child.once("close", (code, signal) => {
      if (code === 0) finish(undefined);
      else if (signal !== null) finish(`signal: ${signal === "SIGKILL" ? "killed" : signal}`);
      else finish(`exit status ${code}`);
    });
    // a command that does not read its input closes the pipe early
    child.stdin.on("error", () => undefined);
    child.stdin.end(run.stdin ?? "");
  });
  const printed = collector.end();
  if (problem !== undefined) {
    throw new Error(`${problem}: running ${goQuote(run.command)}:\n${printed.both}`);
  }
  return { stdout: trimNewline(printed.stdout), stderr: trimNewline(printed.stderr) };
}
