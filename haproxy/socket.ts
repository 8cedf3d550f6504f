/** One command to one of HAProxy's command line sockets: a connection each, a deadline, the whole answer. */
import { connect } from "node:net";

/** A command that HAProxy did not carry out, or did not answer. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
}

/** A longer answer is a mistake: 512 slots in two pools make about 400 kB. */
const MAX_ANSWER_BYTES = 4_000_000;

/**
 * Sends one line and resolves with the answer when HAProxy closes the connection.
 * @throws RuntimeError when nobody listens, or after `timeoutMs`.
 */
export function ask(socketPath: string, line: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const socket = connect(socketPath);
    const fail = (reason: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new RuntimeError(`${socketPath}: "${shorten(line)}": ${reason}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    // The control-plane node's socket waits for more commands until our side is closed.
    socket.on("connect", () => socket.end(`${line}\n`));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) fail("the answer is too long");
    });
    socket.on("error", (error) => fail(error.message, error));
    socket.on("close", (hadError) => {
      if (hadError) return;
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("utf8"));
    });
  });
}

/** Something that goes on until it is stopped. */
export interface Subscription {
  stop(): void;
}

/** Sends one line and calls `onLine` for each line of an answer without end, `onEnd` once when it ends after all. */
export function follow(
  socketPath: string,
  line: string,
  onLine: (line: string) => void,
  onEnd: () => void,
): Subscription {
  const socket = connect(socketPath);
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("connect", () => socket.write(`${line}\n`));
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() ?? "").slice(-10_000);
    for (const complete of lines) if (complete.trim() !== "") onLine(complete);
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", onEnd);
  return {
    stop: () => {
      socket.removeListener("close", onEnd);
      socket.destroy();
    },
  };
}

function shorten(line: string): string {
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
