import { readFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";

/**
 * The API server that answers a new TLS connection.
 * @throws Error when the connection fails, or the status is not 200
 */
export function whoAnswers(port: number, caFile: string, timeoutMs = 10_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path: "/version",
        ca: readFileSync(caFile),
        servername: "kubernetes",
        agent: false,
        timeout: timeoutMs,
      },
      (answer) => {
        let body = "";
        answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
        answer.on("end", () => {
          if (answer.statusCode === 200) resolve((JSON.parse(body) as { name: string }).name);
          else reject(new Error(`status ${answer.statusCode}`));
        });
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("timed out")));
    outgoing.on("error", reject);
    outgoing.end();
  });
}

/** A long request: the response names its server and is then idle, like a watch. */
export class Watch {
  readonly server: string;
  readonly #socket: TLSSocket;
  #closedAt: number | undefined;

  private constructor(server: string, socket: TLSSocket) {
    this.server = server;
    this.#socket = socket;
    socket.on("close", () => (this.#closedAt = Date.now()));
  }

  static open(port: number, caFile: string): Promise<Watch> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: "127.0.0.1",
        port,
        ca: readFileSync(caFile),
        servername: "kubernetes",
      });
      let text = "";
      socket.on("secureConnect", () =>
        socket.write("GET /silent HTTP/1.1\r\nHost: kubernetes\r\n\r\n"),
      );
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        const name = /\r\n(m\d+)\n/.exec(text)?.[1];
        if (name !== undefined) resolve(new Watch(name, socket));
      });
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("closed")));
    });
  }

  /** A watch that ends on the given server; opens as many as it takes. */
  static async openOn(server: string, port: number, caFile: string): Promise<Watch> {
    for (let attempt = 0; attempt < 500; attempt++) {
      const watch = await Watch.open(port, caFile);
      if (watch.server === server) return watch;
      watch.close();
    }
    throw new Error(`no connection reached ${server}`);
  }

  /** When the connection was closed by the other side, milliseconds since 1970. */
  get closedAt(): number | undefined {
    return this.#closedAt;
  }

  get open(): boolean {
    return this.#closedAt === undefined;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Milliseconds until a new connection, from the given address, is closed by the other side. */
export function timeUntilClosed(port: number, localAddress = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const socket = connectTcp({ port, host: "127.0.0.1", localAddress });
    const done = (): void => resolve(performance.now() - start);
    socket.on("connect", () => socket.write("x"));
    socket.on("data", () => reject(new Error("data, although nothing serves")));
    socket.on("end", done);
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNREFUSED" ? reject(error) : done(),
    );
  });
}
