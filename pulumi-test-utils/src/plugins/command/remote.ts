import type { ClientChannel } from "ssh2";
import { dial, type Connection } from "./connection";
import { goQuote, trimNewline } from "./go-text";
import { Collector, type Logging } from "./logging";

/** One run of a command on a host. */
export interface RemoteRun {
  readonly connection: Connection;
  readonly command: string;
  readonly stdin?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logging?: Logging;
  /** Shows a line at the resource while the operation runs. */
  readonly status: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs a command over a new SSH connection. Cancelling ends the dialing only, not a command on the
 * host.
 *
 * @throws the provider's text: the reason, the command and its output
 */
export async function runRemote(run: RemoteRun): Promise<{ stdout: string; stderr: string }> {
  const session = await dial(run.connection, run.status, run.signal);
  const collector = new Collector(run.logging, run.status);
  try {
    const problem = await exec(session.client, run, collector);
    const printed = collector.end();
    if (problem !== undefined) {
      throw new Error(`${problem}: running ${goQuote(run.command)}:\n${printed.both}`);
    }
    return { stdout: trimNewline(printed.stdout), stderr: trimNewline(printed.stderr) };
  } finally {
    session.end();
  }
}

type Client = Awaited<ReturnType<typeof dial>>["client"];

/** Resolves with the reason of a failure, or undefined. */
function exec(client: Client, run: RemoteRun, collector: Collector): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const lost = () => reject(new Error("EOF"));
    client.once("close", lost);
    // unlike the real provider, ssh2 asks for no reply: a refused variable goes unnoticed
    client.exec(run.command, { env: { ...run.environment } }, (error, channel) => {
      client.off("close", lost);
      if (error !== undefined) {
        reject(new Error(`ssh: command ${run.command} failed`, { cause: error }));
        return;
      }
      // at once: the packet being read may contain the exit status of a quick command
      finished(channel, client, run, collector, resolve);
    });
  });
}

function finished(
  channel: ClientChannel,
  client: Client,
  run: RemoteRun,
  collector: Collector,
  resolve: (problem: string | undefined) => void,
): void {
  let problem: string | undefined =
    "wait: remote command exited without exit status or exit signal";
  channel.on("exit", (code: number | null, signal?: string, _core?: boolean, reason?: string) => {
    problem = code === 0 ? undefined : exitText(code, signal, reason);
  });
  channel.on("data", (data: Buffer) => collector.add("stdout", data));
  channel.stderr.on("data", (data: Buffer) => collector.add("stderr", data));
  channel.once("close", () => resolve(problem));
  // the connection breaks: the channel may never close
  client.once("close", () => resolve(problem));
  // a command that does not read its input closes the stream early
  channel.on("error", () => undefined);
  channel.end(run.stdin ?? "");
}

/** Go's ssh.Waitmsg as text. */
function exitText(code: number | null, signal?: string, reason?: string): string {
  const numbers: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, TERM: 15 };
  const name = signal?.replace(/^SIG/, "");
  let text = `Process exited with status ${code ?? 128 + (numbers[name ?? ""] ?? 0)}`;
  if (name) text += ` from signal ${name}`;
  if (reason) text += `. Reason was: ${reason}`;
  return text;
}
