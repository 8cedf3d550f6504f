/** Commands to HAProxy's sockets: one connection each, with a deadline. */
import { connect } from "node:net";

/** HAProxy refused a command, or did not answer. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
}

/** 512 slots in three pools make about 600 kB. */
const MAX_ANSWER_BYTES = 4_000_000;

/**
 * Sends one line and resolves with the answer when HAProxy closes the connection.
 * @throws RuntimeError when nothing listens, or after `timeoutMs`
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
    // The master process's socket waits for more commands until our side is closed.
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

/** A running `follow`. */
export interface Subscription {
  stop(): void;
}

/** Sends one line; calls `onLine` for each line of the endless answer, and `onEnd` if it ends. */
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
