import { fork, type ChildProcess } from "node:child_process";
import { setPriority } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { CRASHED, type Arguments, type Method, type Reply, type Result } from "./ipc";
import { requireLabRoute } from "./lab-route";
import type {
  KillWindow,
  LoadOptions,
  LoadReport,
  Period,
  PhaseOptions,
  PhaseReport,
} from "./types";

export type * from "./types";

const STOP_MS = 60_000;

/** A running load of API requests, in a process of its own. */
export class Load {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void }
  >();
  private lastId = 0;
  private ended: string | undefined;
  private result: Promise<LoadReport> | undefined;

  /** @internal use `startLoad` */
  constructor(options: LoadOptions) {
    requireLabRoute(options.endpoint.host);
    this.child = fork(path.join(__dirname, "worker.ts"), [], {
      execArgv: ["--import", pathToFileURL(require.resolve("tsx")).href],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    if (this.child.pid !== undefined) raisePriority(this.child.pid);
    this.child.on("message", (reply: Reply) => this.settle(reply));
    this.child.on("error", (error) => this.fail(`the load's process failed: ${error.message}`));
    this.child.on("exit", (code, signal) => {
      this.fail(`the load's process has ended (${signal ?? code})`);
    });
    const { kubeconfig, ...rest } = options;
    void this.send("start", [rest]).catch(() => undefined);
    if (kubeconfig !== undefined) void this.setCredentials(kubeconfig).catch(() => undefined);
  }

  /**
   * Resolves with the time of the first good answer, in ms since 1970.
   * @throws after `timeoutMs`
   */
  async waitFirstAnswer(timeoutMs = 600_000): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`load: no API server answered within ${timeoutMs / 1000} s`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.call("waitFirstAnswer", []), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Turns anonymous requests into the full load; resolves when it runs. */
  setCredentials(kubeconfig: string): Promise<void> {
    return this.call("setCredentials", [kubeconfig]);
  }

  /** Opens a phase; resolves when every request of the previous phase has its outcome. */
  phase(name: string, options: PhaseOptions = {}): Promise<void> {
    return this.call("phase", [name, options]);
  }

  /**
   * Requests in flight in this window that are reset or time out count as `inFlight`, not as
   * `failed`.
   */
  markKill(window: KillWindow): Promise<void> {
    return this.call("markKill", [window]);
  }

  /**
   * Writes that fail in a measured election count as `lostInElection`. Replaces the elections of
   * earlier calls.
   */
  markElections(elections: readonly Period[]): Promise<void> {
    return this.call("markElections", [elections]);
  }

  /** All phases so far; the last one is open. */
  phases(): Promise<PhaseReport[]> {
    return this.call("phases", []);
  }

  /** The open phase. */
  async current(): Promise<PhaseReport> {
    return (await this.phases()).at(-1)!;
  }

  /** The report so far; the load goes on. */
  report(): Promise<LoadReport> {
    return this.call("report", []);
  }

  /** Ends the load and its process; a second call returns the same report. */
  stop(): Promise<LoadReport> {
    this.result ??= this.end();
    return this.result;
  }

  private async end(): Promise<LoadReport> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS);
    try {
      return await this.call("stop", []);
    } finally {
      clearTimeout(timer);
      await this.kill();
    }
  }

  /** Ends the process at once, without a report. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await exit;
  }

  private call<M extends Method>(method: M, args: Arguments<M>): Promise<Result<M>> {
    return this.send(method, args);
  }

  private send(method: Method | "start", args: readonly unknown[]): Promise<never> {
    if (this.ended !== undefined) return Promise.reject(new Error(this.ended));
    const id = (this.lastId += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, method, args });
    });
  }

  private settle(reply: Reply): void {
    if (reply.id === CRASHED) return this.fail(`the load has ended: ${reply.error}`);
    const call = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (reply.error === undefined) call?.resolve(reply.value as never);
    else call?.reject(new Error(reply.error));
  }

  private fail(reason: string): void {
    this.ended ??= reason;
    for (const call of this.waiting.values()) call.reject(new Error(reason));
    this.waiting.clear();
  }
}

/** Raises a process's priority: a load generator that waits for the CPU would measure itself. */
function raisePriority(pid: number): void {
  try {
    setPriority(pid, -10);
  } catch {
    // only root may; the report names the generator's lag
  }
}

/**
 * Starts the load: new TLS connections at a fixed rate over GET, LIST and PATCH of a ConfigMap of
 * its own, clients that keep their connection, and open watches. Nothing counts before the first
 * good answer. Without a kubeconfig it sends anonymous GET /version until `setCredentials`.
 * @throws NoLabRoute when the endpoint is not in a lab that is up
 */
export function startLoad(options: LoadOptions): Load {
  return new Load(options);
}
