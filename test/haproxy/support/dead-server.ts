import { createServer, type Server, type Socket } from "node:net";
import type { Backend } from "../../../haproxy/model";
import { freePort, ownAddress } from "./network";

/** The SNI of HAProxy's checks, in plain text in their first packet. */
const CHECK_NAME = "kubernetes";

/** A hung API server: it accepts connections, never answers, and counts them. */
export class DeadServer {
  /** Connections that do not begin like a check. */
  reached = 0;
  checks = 0;
  readonly backend: Backend;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(backend: Backend) {
    this.backend = backend;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.once("data", (hello) => {
        if (hello.includes(CHECK_NAME)) this.checks += 1;
        else this.reached += 1;
      });
    });
  }

  /** @param at an address where nothing listens. @default an address and port of its own */
  static async start(name: string, at?: Backend): Promise<DeadServer> {
    const backend = at ?? { name, address: ownAddress(), port: await freePort() };
    const dead = new DeadServer(backend);
    await new Promise<void>((resolve) => {
      dead.#server.listen(backend.port, backend.address, resolve);
    });
    return dead;
  }

  get address(): string {
    return `${this.backend.address}:${this.backend.port}`;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
