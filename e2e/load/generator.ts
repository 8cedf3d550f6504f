import { Agent } from "node:https";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { errorKind, RequestError } from "./failure";
import { Causes } from "./causes";
import { CLOCK } from "./clock";
import { readCredentials } from "./kubeconfig";
import { NoLabRoute } from "./lab-route";
import { Ledger } from "./ledger";
import { getVersion, Operations, type Connection, type Version } from "./operations";
import { Identity } from "./request";
import { StallMeter } from "./stalls";
import type {
  Channel,
  KillWindow,
  LoadOptions,
  LoadReport,
  Period,
  PhaseOptions,
  PhaseReport,
  Target,
} from "./types";
import { Watcher } from "./watcher";

const TICK_MS = 5;
const CHECK_MS = 500;
const SETUP_MS = 120_000;
const SETUP_RETRY_MS = 200;

/** The options with their defaults filled in. */
export function withDefaults(options: LoadOptions) {
  return {
    firstPhase: "bring-up",
    newPerSecond: 20,
    keepAliveClients: 4,
    keepAlivePerSecond: 5,
    watches: 10,
    deadlineMs: 5000,
    namespace: "default",
    alsoThrough: [],
    ...options,
  };
}

/** Sends the requests of the load, each one once. Runs in a process of its own, see `startLoad`. */
export class Generator {
  private readonly options: ReturnType<typeof withDefaults>;
  private readonly causes: Causes;
  private readonly ledger: Ledger;
  private readonly operations: Operations;
  private readonly lag = monitorEventLoopDelay({ resolution: 10 });
  private readonly startedAt = Date.now();
  private readonly timers: NodeJS.Timeout[] = [];
  private stallTimer: NodeJS.Timeout | undefined;
  private readonly clients: Promise<void>[] = [];
  // the epoch of each keep-alive client's connection
  private readonly epochs: number[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly firstAnswer: Promise<number>;
  private onFirstAnswer: (at: number) => void = () => undefined;
  private identity = new Identity();
  private watchers: Watcher[] = [];
  private targets: readonly Target[];
  private epoch = 0;
  private turn = 0;
  private skipped = 0;
  private stopped = false;

  constructor(options: LoadOptions) {
    this.options = withDefaults(options);
    this.targets = [this.options.endpoint];
    this.causes = new Causes(this.options.deadlineMs);
    this.ledger = new Ledger(CLOCK, this.causes);
    this.operations = new Operations(this.options.namespace);
    this.firstAnswer = new Promise((resolve) => (this.onFirstAnswer = resolve));
    void this.ledger.openPhase(this.options.firstPhase);
  }

  start(): void {
    this.lag.enable();
    this.startStallMeter();
    this.startNewConnections();
    for (let index = 0; index < this.options.keepAliveClients; index += 1) {
      this.epochs.push(-1);
      this.clients.push(this.keepAliveClient(index));
    }
    this.timers.push(setInterval(() => this.watchers.forEach((w) => w.check()), CHECK_MS));
  }

  /** Time of the first good answer. */
  waitFirstAnswer(): Promise<number> {
    return this.firstAnswer;
  }

  /**
   * Turns anonymous requests into the full load; resolves when it runs. Creating the ConfigMap is
   * not counted.
   */
  async setCredentials(kubeconfig: string): Promise<void> {
    const identity = new Identity(readCredentials(kubeconfig));
    const revision = await this.setUp(identity);
    this.identity = identity;
    this.epoch += 1;
    for (const watcher of this.watchers) watcher.stop();
    const context = {
      ledger: this.ledger,
      clock: CLOCK,
      operations: this.operations,
      deadlineMs: this.options.deadlineMs,
      connection: (index: number) => this.connection(index, false),
    };
    this.watchers = Array.from(
      { length: this.options.watches },
      (_, index) => new Watcher(context, index, revision),
    );
  }

  /**
   * Opens a phase; resolves when every request of the previous one has its outcome and all clients
   * have reconnected, if requested.
   */
  async phase(name: string, options: PhaseOptions = {}): Promise<void> {
    const settled = this.ledger.openPhase(name);
    const targets = options.through ?? [this.options.endpoint];
    const moved = JSON.stringify(targets) !== JSON.stringify(this.targets);
    if (moved || options.reconnect === true) {
      this.targets = targets;
      this.epoch += 1;
      for (const watcher of this.watchers) watcher.reopen();
    }
    await settled;
    while (!this.stopped && this.epochs.some((epoch) => epoch < this.epoch)) await sleep(TICK_MS);
  }

  markKill(window: KillWindow): void {
    this.causes.addKill(window);
  }

  markElections(elections: readonly Period[]): void {
    this.causes.setElections(elections);
  }

  phases(): PhaseReport[] {
    return this.ledger.phaseReports();
  }

  /** Ends the load: every request gets its outcome, then the ConfigMap is removed. */
  async stop(): Promise<LoadReport> {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    for (const watcher of this.watchers) {
      watcher.check();
      watcher.stop();
    }
    await Promise.all([...this.clients, ...this.underWay]);
    clearInterval(this.stallTimer);
    const report = this.report();
    if (!this.identity.anonymous) {
      // best effort: the cluster may no longer exist
      await this.operations.remove(this.connection(0, false)).catch(() => undefined);
    }
    return report;
  }

  report(): LoadReport {
    return {
      startedAt: this.startedAt,
      firstAnswerAt: this.ledger.firstAnswerAt,
      phases: this.ledger.phaseReports(),
      timeline: this.ledger.timeline(),
      generatorLag: {
        p99Ms: Math.round(this.lag.percentile(99) / 1e5) / 10,
        maxMs: Math.round(this.lag.max / 1e5) / 10,
      },
      skipped: this.skipped,
    };
  }

  private startStallMeter(): void {
    const meter = new StallMeter(CLOCK, (stall) => this.causes.addStall(stall));
    this.stallTimer = setInterval(() => meter.tick(), TICK_MS);
  }

  // Open loop: a slow answer does not delay the next connections.
  private startNewConnections(): void {
    const every = 1000 / this.options.newPerSecond;
    let next = CLOCK.steady();
    const tick = () => {
      const now = CLOCK.steady();
      if (now - next > 1000) {
        // no burst after a long stall of the generator itself: the rate stays as configured
        const late = Math.floor((now - next) / every);
        this.skipped += late;
        next += late * every;
      }
      for (; next <= now; next += every) {
        const turn = (this.turn += 1);
        const request = this.sendOne("new", turn, this.connection(turn, false));
        this.underWay.add(request);
        void request.finally(() => this.underWay.delete(request));
      }
    };
    this.timers.push(setInterval(tick, TICK_MS));
  }

  private async keepAliveClient(index: number): Promise<void> {
    const every = 1000 / this.options.keepAlivePerSecond;
    // spread over the interval, so that the clients do not send at the same moment
    await sleep((every * index) / this.options.keepAliveClients);
    let agent = new Agent();
    for (let turn = index; !this.stopped; turn += 1) {
      if (this.epochs[index] !== this.epoch) {
        this.epochs[index] = this.epoch;
        agent.destroy();
        agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
      }
      const start = CLOCK.steady();
      await this.sendOne("reused", turn, this.connection(index, agent));
      await sleep(Math.max(0, start + every - CLOCK.steady()));
    }
    agent.destroy();
  }

  private async sendOne(channel: Channel, turn: number, connection: Connection): Promise<void> {
    const kinds = ["GET", "LIST", "PATCH"] as const;
    const kind = connection.identity.anonymous ? "VERSION" : kinds[turn % kinds.length]!;
    const pending = this.ledger.begin(
      channel,
      kind,
      `${connection.target.host}:${connection.target.port}`,
    );
    try {
      if (kind === "VERSION") await getVersion(connection);
      else if (kind === "GET") await this.operations.get(connection);
      else if (kind === "LIST") await this.operations.list(connection);
      else this.acknowledged(await this.operations.patch(connection));
      this.ledger.ok(pending);
      this.onFirstAnswer(this.ledger.firstAnswerAt!);
    } catch (error) {
      if (error instanceof NoLabRoute) throw error;
      const text = error instanceof Error ? error.message : String(error);
      const connectedAt = error instanceof RequestError ? error.connectedAt : undefined;
      this.ledger.fail(pending, errorKind(error), text, connectedAt);
    }
  }

  private acknowledged(version: Version): void {
    for (const watcher of this.watchers) watcher.acknowledged(version);
  }

  private connection(index: number, agent: Agent | false): Connection {
    const target = this.targets[index % this.targets.length]!;
    const { endpoint, deadlineMs } = this.options;
    // certificates name the endpoint and the API server's own address; another load balancer may
    // reach any API server, and every certificate names "kubernetes"
    const verifyAs = target.host === endpoint.host ? undefined : "kubernetes";
    return { identity: this.identity, target, verifyAs, agent, deadlineMs };
  }

  private async setUp(identity: Identity): Promise<number> {
    const end = CLOCK.steady() + SETUP_MS;
    for (;;) {
      const connection = { ...this.connection(0, false), identity };
      try {
        await this.operations.create(connection);
        return (await this.operations.get(connection)).revision;
      } catch (error) {
        if (error instanceof NoLabRoute) throw error;
        if (CLOCK.steady() > end || this.stopped) {
          const seconds = SETUP_MS / 1000;
          throw new Error(`load: the ConfigMap could not be created within ${seconds} s`, {
            cause: error,
          });
        }
        await sleep(SETUP_RETRY_MS);
      }
    }
  }
}
