/** `run`: follows the sources of the backends, and keeps HAProxy at what they contain. */
import type { Server } from "node:http";
import { MasterApi } from "../haproxy/master";
import type { RefusedEntry } from "../haproxy/model";
import { RuntimeApi } from "../haproxy/runtime";
import type { Subscription } from "../haproxy/socket";
import { removeLeftovers } from "./apply/atomic-file";
import { probeCheck } from "./apply/check-config";
import { CheckToken } from "./apply/check-token";
import { CoalescingQueue } from "./apply/coalescing-queue";
import { REFUSED_PAUSE_MS } from "./apply/config-files";
import { HaproxyController } from "./apply/haproxy-controller";
import { FileReloadRequest } from "./apply/reload-request";
import type { Context } from "./context";
import { readTrust, type ApiServer } from "./http";
import { EventReporter } from "./report/events";
import type { Log } from "./report/log";
import { Metrics } from "./report/metrics";
import { Readiness } from "./report/readiness";
import { PROBLEM_REASONS, Reporter } from "./report/reporter";
import { serveStatus, type UpdaterStatus } from "./report/status-server";
import type { UpdaterSettings } from "./settings";
import { orderApiServers } from "./sources/api-server-order";
import { Discovery } from "./sources/discovery";
import { initialBackends } from "./sources/initial-backends";
import type { SourceTimes } from "./sources/source-times";
import { probeBackend } from "./sources/probe";
import { SyncState } from "./sources/sync-state";
import { TokenReader } from "./sources/token";

/** Interval of looks at HAProxy while it sends no messages. */
const TICK_MS = 1000;
/** HAProxy's messages come in bursts, some caused by our own commands: one look for each burst. */
const MESSAGE_MS = 100;
/** A change is applied at once; further ones within this time are applied together. */
const MERGE_MS = 200;

/** What a test may set. */
export interface RunOptions {
  readonly times?: Partial<SourceTimes>;
  readonly tickMs?: number;
  /** Pause before backends that could not be applied are tried again. */
  readonly retryMs?: number;
}

/**
 * Runs until the signal comes; HAProxy stays as it is.
 * @throws Error when the status socket cannot be opened
 */
export async function run(
  settings: UpdaterSettings,
  log: Log,
  signal: AbortSignal,
  options: RunOptions = {},
): Promise<void> {
  const updater = new Updater(settings, log, signal, options);
  await updater.run(signal);
}

class Updater {
  readonly #context: Context;
  readonly #runtime: RuntimeApi;
  readonly #controller: HaproxyController;
  readonly #events: EventReporter;
  readonly #checkToken: CheckToken;
  readonly #discovery: Discovery;
  readonly #sync: SyncState;
  readonly #readiness: Readiness;
  readonly #token: TokenReader;
  readonly #tickMs: number;
  readonly #retryMs: number;
  readonly #changes: CoalescingQueue<undefined>;
  #waitingForToken = false;
  #refused: readonly RefusedEntry[] = [];
  #messages: Subscription | undefined;
  #hint: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pendingTicks = 0;

  constructor(settings: UpdaterSettings, log: Log, signal: AbortSignal, options: RunOptions) {
    const metrics = new Metrics(PROBLEM_REASONS);
    const report = new Reporter({
      log,
      metrics,
      sendEvent: (reason, message) => {
        // Until then an Event cannot be written: a tick offers it again.
        const isConnected = !this.#waitingForToken && this.#discovery.apiServer !== undefined;
        if (isConnected) void this.#events.report(reason, message);
      },
    });
    const context = { settings, log, metrics, report, now: () => performance.now() };
    const trust = () => readTrust(settings);
    this.#context = context;
    this.#readiness = new Readiness(context.now);
    this.#changes = new CoalescingQueue(() => this.#apply(), MERGE_MS, signal);
    this.#tickMs = options.tickMs ?? TICK_MS;
    this.#retryMs = options.retryMs ?? REFUSED_PAUSE_MS;
    this.#token = new TokenReader(settings);
    this.#runtime = new RuntimeApi(settings.haproxy.adminSocket);
    this.#checkToken = new CheckToken(context, () => this.#token.read());
    this.#controller = new HaproxyController(context, {
      runtime: this.#runtime,
      master: masterOf(settings),
      probe: async (backend) => probeBackend(backend, trust(), this.#checkToken.write()),
    });
    this.#sync = new SyncState(undefined, this.#controller.answered);
    this.#discovery = new Discovery(
      context,
      {
        trust,
        token: () => this.#token.readForSync(),
        apiServers: () => this.#apiServers(),
        sync: this.#sync,
        ...(options.times === undefined ? {} : { times: options.times }),
      },
      {
        onChange: () => this.#changes.put(undefined),
        serving: () => this.#controller.backends(),
      },
    );
    this.#events = new EventReporter(context, {
      apiServer: () => this.#discovery.apiServer,
      trust,
      token: () => this.#token.read(),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#context;
    const { configFile, lastGoodFile, haproxy } = settings;
    for (const file of [configFile, lastGoodFile, haproxy.stateFile]) removeLeftovers(file);
    // A new configuration may need the file.
    this.#checkToken.write();
    const server = await serveStatus(haproxy.updaterSocket, {
      metrics: () => this.#metrics(),
      status: () => this.#status(),
      notReady: () => this.#notReady(),
      notLive: () => this.#readiness.notLive(),
    });
    probeCheck(settings.checkCommand, this.#context);
    log.info("started", { backends: this.#controller.backends().length });
    this.#lookForToken();
    const timer = setInterval(() => this.#look(), this.#tickMs);
    this.#look();
    await this.#discovery.run(signal);
    clearInterval(timer);
    this.#stop(server);
  }

  #stop(server: Server): void {
    clearTimeout(this.#hint);
    clearTimeout(this.#retry);
    this.#messages?.stop();
    server.close();
    server.closeAllConnections();
  }

  #apiServers(): ApiServer[] {
    if (this.#waitingForToken) return [];
    const { settings } = this.#context;
    const { localAddress, apiPort } = settings;
    return orderApiServers({
      backends: this.#controller.states(),
      here: { address: localAddress, port: apiPort },
      answered: this.#sync.answered,
      initial: initialBackends(settings).backends,
    });
  }

  /** Looks at HAProxy; its messages (server down, server up) bring the next look forward. */
  #look(): void {
    this.#messages ??= this.#runtime.followEvents(
      () => {
        this.#hint ??= setTimeout(() => {
          this.#hint = undefined;
          void this.#tick();
        }, MESSAGE_MS);
      },
      () => (this.#messages = undefined),
    );
    void this.#tick();
  }

  /** At most one tick runs and one waits. */
  async #tick(): Promise<void> {
    if (this.#pendingTicks > 1) return;
    this.#lookForToken();
    this.#pendingTicks += 1;
    await this.#checkToken.sync(this.#runtime);
    await this.#controller.tick();
    this.#controller.keepAnswered(this.#sync.answered);
    this.#pendingTicks -= 1;
    this.#readiness.looked();
    this.#context.report.repeatEvents();
    // A watch on a hung server is as silent as any other: HAProxy's checks notice it first.
    const backends = this.#controller.states();
    const noneIsUp = backends.length > 0 && backends.every(({ state }) => state === "down");
    if (this.#waitingForToken || noneIsUp) return;
    this.#discovery.leave(
      (apiServer) => this.#isDown(apiServer),
      "HAProxy's checks get no answer from it",
    );
    if (this.#token.changed()) this.#discovery.leave(() => true, "the token has changed");
  }

  /** Without a token the updater asks no API server, counts no error, and logs that once. */
  #lookForToken(): void {
    const waiting = !this.#token.present();
    if (waiting === this.#waitingForToken) return;
    this.#waitingForToken = waiting;
    const { log } = this.#context;
    if (waiting) log.info("waiting for the token", { from: this.#token.where });
    else log.info("found the token");
  }

  #isDown(apiServer: ApiServer): boolean {
    const same = ({ address, port }: ApiServer): boolean =>
      address === apiServer.address && port === apiServer.port;
    return this.#controller.states().find(same)?.state === "down";
  }

  async #apply(): Promise<void> {
    const { metrics, report } = this.#context;
    // Our own file was lost: adopt what HAProxy runs.
    if (this.#controller.backends().length === 0) await this.#controller.tick();
    const { revision, backends, refused, problems } = this.#discovery.discover();
    this.#events.uid = this.#discovery.uid;
    metrics.outOfSlice = this.#discovery.outOfSlice(backends).length;
    metrics.refused = refused.length;
    this.#refused = refused;
    report.replace(
      "BackendRefused",
      refused.map(({ key, value, reason }) => `${key}: "${value}": ${reason}`),
    );
    report.replace("NoBackends", problems);
    if (backends.length === 0) return;
    try {
      // who sent them stands in the files before they do: they may be wrong
      this.#controller.keepAnswered(this.#sync.answered);
      if (!(await this.#controller.apply(backends, revision))) this.#applyLater();
      report.end("BackendsNotApplied");
    } catch (error) {
      report.begin("BackendsNotApplied", error, `resourceVersion ${revision}`);
      this.#applyLater();
    }
  }

  #applyLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#changes.put(undefined);
    }, this.#retryMs);
  }

  #metrics(): string {
    const { metrics } = this.#context;
    metrics.secondsSinceSync = this.#sync.seconds;
    metrics.waitingForToken = this.#waitingForToken;
    return metrics.render();
  }

  #notReady(): string | undefined {
    return this.#readiness.notReady({
      isSynced: this.#sync.seconds !== undefined,
      waitingForToken: this.#waitingForToken,
      states: this.#controller.states().map(({ state }) => state),
    });
  }

  #status(): UpdaterStatus {
    const { settings, report } = this.#context;
    const { seconds } = this.#sync;
    return {
      lastSyncSeconds: seconds ?? null,
      waitingForToken: this.#waitingForToken,
      token: this.#token.syncedWith(seconds),
      revision: this.#controller.revision,
      backends: this.#controller
        .states()
        .map(({ name, address, port, state }) => ({ name, address, port, state })),
      refused: this.#refused,
      problems: report.list(),
      discovery: settings.discovery,
      outOfSlice: this.#discovery.outOfSlice(this.#controller.backends()),
    };
  }
}

/**
 * Reloads through HAProxy's master process, or through root's unit if the settings name its file.
 */
function masterOf({ masterSocket, reloadRequestFile }: UpdaterSettings): MasterApi {
  if (reloadRequestFile === undefined) return new MasterApi(masterSocket);
  return new MasterApi(masterSocket, { request: new FileReloadRequest(reloadRequestFile) });
}
