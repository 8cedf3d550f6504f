import { fork, type ChildProcess } from "node:child_process";
import { get } from "node:https";
import { join } from "node:path";
import type { Backend } from "../../../haproxy/model";
import type { Certificates } from "./certificates";
import type { Machine } from "./machines";
import { freePort, ownAddress } from "./network";
import { waitFor } from "./wait";

/** First message to the process. */
export interface StartMessage {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
  /** Only this token is accepted. */
  readonly token?: string;
}

/** Changes of the server's behaviour. */
export interface Orders {
  /** Status of /readyz; 0: no answer. */
  readyz?: number;
  livez?: number;
  /** True: /readyz answers 500, and all else is served, as at the start of an orderly shutdown. */
  stopping?: boolean;
  /** False: checks need the token, too (anonymous-auth=false). */
  anonymous?: boolean;
  /** The only accepted token from now on. */
  token?: string;
  /** Whether new connections are accepted. */
  listening?: boolean;
  /** resourceVersion and data of the ConfigMap; null: it does not exist. */
  revision?: number;
  data?: Record<string, string> | null;
  /** Addresses in the EndpointSlice, with this server's own port; null: it does not exist. */
  slice?: readonly string[] | null;
}

/** The requests that the server has got. */
export interface Report {
  /** Paths other than those of the checks. */
  readonly requests: string[];
  readonly events: unknown[];
  /** Checks of HAProxy and probes, answered or not. */
  checks: number;
  lists: number;
  watches: number;
  /** Open connections, without those of watches. */
  open: number;
  readonly tokens: string[];
}

/** A fake API server: checks, list and watch of one ConfigMap and one EndpointSlice, Events. */
export class ApiServer {
  readonly backend: Backend;
  readonly #child: ChildProcess;

  private constructor(backend: Backend, child: ChildProcess) {
    this.backend = backend;
    this.#child = child;
  }

  static async start(
    name: string,
    certificates: Certificates,
    options: { port?: number; token?: string; orders?: Orders; machine?: Machine } = {},
  ): Promise<ApiServer> {
    const port = options.port ?? (await freePort());
    const { machine } = options;
    const backend = { name, address: machine?.address ?? ownAddress(), port };
    const [execPath, ...before] = [...(machine?.command ?? []), process.execPath];
    const child = fork(join(__dirname, "api-server-process.ts"), {
      execPath: execPath,
      execArgv: [...before, "--import", "tsx"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const server = new ApiServer(backend, child);
    if (options.orders !== undefined) await server.#ask(options.orders);
    const { cert, key } = certificates;
    const token = options.token === undefined ? {} : { token: options.token };
    await server.#ask({ ...backend, cert, key, ...token });
    return server;
  }

  get address(): string {
    return `${this.backend.address}:${this.backend.port}`;
  }

  order(orders: Orders): Promise<unknown> {
    return this.#ask(orders);
  }

  async report(): Promise<Report> {
    return (await this.#ask("report")) as Report;
  }

  /** SIGSTOP: the kernel accepts connections, and nothing answers. */
  hang(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /**
   * Stops to listen, and resolves when no request is open. Call it when no client connects any
   * more: a kernel resets connections that wait to be accepted when a listener closes.
   */
  async close(): Promise<void> {
    await this.#answers();
    await this.order({ listening: false });
    await waitFor("all have ended", async () => (await this.report()).open === 0);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** A connection of our own: those before it have been accepted then. */
  #answers(): Promise<void> {
    const { address: host, port } = this.backend;
    const options = { host, port, path: "/livez/ping", rejectUnauthorized: false, agent: false };
    return new Promise((resolve, reject) => {
      get(options, (answer) => answer.resume().on("end", resolve)).on("error", reject);
    });
  }

  #ask(message: StartMessage | Orders | "report"): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("the fake API server has ended"));
      this.#child.once("exit", ended);
      this.#child.once("message", (answer) => {
        this.#child.off("exit", ended);
        resolve(answer);
      });
      this.#child.send(message);
    });
  }
}
