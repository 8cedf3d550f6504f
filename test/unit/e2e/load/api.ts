import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { certificates } from "../../../support/certificates";

/** What the fake API server does to a request instead of answering it. */
export type Fault =
  "reset" | "hang" | "cut answer" | "not JSON" | "other object" | "stale" | number;

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly watch: boolean;
  /** The connection has served a request before. */
  readonly reused: boolean;
}

interface OpenWatch {
  readonly answer: ServerResponse;
  mute: boolean;
}

const NAME = "control-plane-load";

/** A fake API server: one ConfigMap with its history and watches, and faults on demand. */
export class FakeApi {
  /** Returns the fault for a request; undefined answers it. */
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  /** Requests that got a fault. */
  faulted = 0;
  answered = 0;
  readonly held = new Set<TLSSocket>();
  readonly watches: OpenWatch[] = [];
  private readonly server: Server;
  private readonly served = new WeakSet<object>();
  // the TCP sockets below TLS by the client's port: only they can be reset
  private readonly sockets = new Map<number, Socket>();
  private readonly history: { revision: number; sequence: string }[] = [];
  private revision = 100;
  private sequence: string | undefined;

  private constructor() {
    const { ca, serverCert, serverKey } = certificates();
    this.server = createServer(
      {
        ca,
        cert: serverCert,
        key: serverKey,
        requestCert: true,
        rejectUnauthorized: false,
        keepAliveTimeout: 300_000,
      },
      (request, answer) => this.handle(request, answer),
    );
    this.server.on("connection", (socket: Socket) => {
      const port = socket.remotePort ?? 0;
      this.sockets.set(port, socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.sockets.delete(port));
    });
    this.server.on("secureConnection", (socket) => socket.on("error", () => undefined));
  }

  static async start(): Promise<FakeApi> {
    const api = new FakeApi();
    await new Promise<void>((resolve) => api.server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get endpoint() {
    return { host: "127.0.0.1", port: (this.server.address() as AddressInfo).port };
  }

  /** Closes the port and all connections. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets.values()) socket.destroy();
    await closed;
  }

  /** Resets every connection on which a request hangs, as a kill does. */
  resetHeld(): number {
    const held = [...this.held];
    this.held.clear();
    for (const socket of held) this.reset(socket);
    return held.length;
  }

  private reset(socket: TLSSocket): void {
    this.sockets.get(socket.remotePort ?? 0)?.resetAndDestroy();
  }

  private handle(request: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(request.url ?? "/", "https://api");
    const watch = url.searchParams.get("watch") === "true";
    const reused = this.served.has(request.socket);
    this.served.add(request.socket);
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const method = request.method ?? "";
      const fault = this.fault({ method, path: url.pathname, watch, reused });
      if (fault !== undefined) {
        this.faulted += 1;
        this.spoil(request.socket as TLSSocket, answer, fault);
        return;
      }
      this.answered += 1;
      if (url.pathname === "/version") return json(answer, 200, { gitVersion: "v1.35.4" });
      if (!(request.socket as TLSSocket).authorized) return json(answer, 403, { kind: "Status" });
      if (watch) this.openWatch(answer, Number(url.searchParams.get("resourceVersion")));
      else this.answer(method, url.pathname, Buffer.concat(parts).toString(), answer);
    });
    request.on("error", () => undefined);
  }

  private spoil(socket: TLSSocket, answer: ServerResponse, fault: Fault): void {
    if (typeof fault === "number") return json(answer, fault, { kind: "Status", code: fault });
    switch (fault) {
      case "reset":
        this.reset(socket);
        break;
      case "hang":
        this.held.add(socket);
        break;
      case "cut answer":
        answer.writeHead(200, { "content-length": "1000" });
        answer.write("{", () => socket.destroy());
        break;
      case "not JSON":
        answer.end("<html>Welcome to the proxy</html>");
        break;
      case "other object":
        json(answer, 200, { kind: "ConfigMap", metadata: { name: "other", resourceVersion: "1" } });
        break;
      case "stale":
        json(answer, 200, this.object("0", 1));
    }
  }

  private answer(method: string, path: string, body: string, answer: ServerResponse): void {
    if (method === "POST") {
      if (this.sequence !== undefined) return json(answer, 409, { kind: "Status" });
      this.write("0");
      return json(answer, 201, this.object("0", this.revision));
    }
    if (method === "DELETE") return json(answer, 200, { kind: "Status" });
    if (this.sequence === undefined) return json(answer, 404, { kind: "Status" });
    if (method === "PATCH") {
      const { data } = JSON.parse(body) as { data: { sequence: string } };
      this.write(data.sequence);
    }
    const own = this.object(this.sequence, this.revision);
    if (path.endsWith(NAME)) return json(answer, 200, own);
    json(answer, 200, { kind: "ConfigMapList", items: [{ metadata: { name: "a" } }, own] });
  }

  private openWatch(answer: ServerResponse, revision: number): void {
    const watch = { answer, mute: false };
    answer.writeHead(200, { "content-type": "application/json" });
    answer.flushHeaders();
    this.watches.push(watch);
    answer.on("close", () => this.watches.splice(this.watches.indexOf(watch), 1));
    for (const version of this.history) {
      if (version.revision > revision) this.show(watch, version.sequence, version.revision);
    }
  }

  private write(sequence: string): void {
    this.sequence = sequence;
    this.revision += 1;
    this.history.push({ revision: this.revision, sequence });
    for (const watch of this.watches) this.show(watch, sequence, this.revision);
  }

  private show(watch: OpenWatch, sequence: string, revision: number): void {
    if (watch.mute) return;
    const event = { type: "MODIFIED", object: this.object(sequence, revision) };
    watch.answer.write(`${JSON.stringify(event)}\n`);
  }

  private object(sequence: string, revision: number) {
    return {
      kind: "ConfigMap",
      metadata: { name: NAME, resourceVersion: String(revision) },
      data: { sequence },
    };
  }
}

function json(answer: ServerResponse, status: number, body: object): void {
  answer.writeHead(status, { "content-type": "application/json" });
  answer.end(JSON.stringify(body));
}
