import { createServer, type Server, type Socket } from "node:net";
import type { Backend } from "../../../haproxy/model";
import { freePort, ownAddress } from "./network";

/** The name that HAProxy's checks give; it stands in the clear in their first packet. */
const CHECK_NAME = "kubernetes";

/** Takes connections and never answers: a hung API server that counts who was sent to it. */
export class DeadServer {
  /** Connections that began with something else than a check does. */
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

  /** @param at where nobody listens any more; else an address and a port of its own */
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
