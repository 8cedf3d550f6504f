/** `run`: follows the sources of the backends and keeps HAProxy in agreement with them. */
import type { Server } from "node:http";
import { hostname } from "node:os";
import { MasterApi } from "../haproxy/master";
import { parseBackends, type Refused } from "../haproxy/model";
import { RuntimeApi } from "../haproxy/runtime";
import type { Subscription } from "../haproxy/socket";
import { Balancer } from "./apply/balancer";
import { probeCheck } from "./apply/check-config";
import { CheckToken } from "./apply/check-token";
import { Discovery } from "./sources/discovery";
import { orderEndpoints } from "./sources/api-server-order";
import { EventReporter } from "./report/events";
import { removeLeftovers, writeFileAtomically } from "./apply/atomic-file";
import type { Endpoint, Trust } from "./sources/http";
import { errorText, type Log } from "./report/log";
import { Metrics } from "./report/metrics";
import { Newest } from "./apply/coalescing-queue";
import { readTrust } from "./apply/prepare";
import { probeBackend } from "./sources/probe";
import { readSeed } from "./sources/initial-backends";
import { serveStatus, type UpdaterStatus } from "./report/status-server";
import type { UpdaterSettings } from "./settings";
import type { SourceTimes } from "./sources/object-source";
import { REFUSED_PAUSE_MS } from "./apply/config-files";
import { TokenReader } from "./sources/token";

/** HAProxy is looked at so often when it says nothing. */
const TICK_MS = 1000;
/** Its messages come in bursts, some of them answers to our own commands: one look for all within this time. */
const MESSAGE_MS = 100;
/** A change is applied at once; those that follow within this time are applied together. */
const MERGE_MS = 200;
/** Events at most for one change of a source. */
const MAX_EVENTS = 10;

/** What a test may set. */
export interface RunOptions {
  readonly times?: Partial<SourceTimes>;
  readonly tickMs?: number;
}

/** Runs until the signal comes; HAProxy goes on as it is. Throws only when the status socket cannot be opened. */
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
  readonly #settings: UpdaterSettings;
  readonly #log: Log;
  readonly #metrics = new Metrics();
  readonly #runtime: RuntimeApi;
  readonly #balancer: Balancer;
  readonly #events: EventReporter;
  readonly #checkToken: CheckToken;
  readonly #discovery: Discovery;
  readonly #token: TokenReader;
  readonly #tickMs: number;
  readonly #changes: Newest<undefined>;
  #refused: readonly Refused[] = [];
  #messages: Subscription | undefined;
  #hint: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;
  #server: Server | undefined;
  #looksWaiting = 0;

  constructor(settings: UpdaterSettings, log: Log, signal: AbortSignal, options: RunOptions) {
    this.#settings = settings;
    this.#log = log;
    this.#changes = new Newest(() => this.#apply(), MERGE_MS, signal);
    this.#tickMs = options.tickMs ?? TICK_MS;
    const metrics = this.#metrics;
    const { namespace, configMap } = settings;
    const trust = (): Trust => readTrust(settings);
    this.#token = new TokenReader(settings);
    this.#runtime = new RuntimeApi(settings.haproxy.adminSocket);
    this.#checkToken = new CheckToken({
      haproxy: settings.haproxy,
      token: () => this.#token.read(),
      log,
      metrics,
    });
    this.#balancer = new Balancer({
      settings,
      runtime: this.#runtime,
      master: masterOf(settings),
      metrics,
      log,
      onProblem: (reason, message) => void this.#events.report(reason, message),
      probe: async (backend) => probeBackend(backend, trust(), this.#checkToken.write()),
    });
    this.#discovery = new Discovery({
      settings,
      trust,
      token: () => this.#token.readForSync(),
      endpoints: () => this.#endpoints(),
      onChange: () => this.#changes.put(undefined),
      metrics,
      log,
      ...(options.times === undefined ? {} : { times: options.times }),
    });
    this.#events = new EventReporter({
      namespace,
      configMap,
      host: hostname(),
      endpoint: () => this.#discovery.endpoint,
      trust,
      token: () => this.#token.read(),
      metrics,
      log,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { configFile, lastGoodFile, haproxy } = this.#settings;
    for (const file of [configFile, lastGoodFile, haproxy.stateFile]) removeLeftovers(file);
    // A new configuration may need it.
    this.#checkToken.write();
    this.#server = await serveStatus(
      haproxy.updaterSocket,
      () => this.#metrics.render(),
      () => this.#status(),
    );
    probeCheck(this.#settings.checkCommand, { log: this.#log, metrics: this.#metrics });
    this.#log.info("started", { backends: this.#balancer.backends().length });
    this.#lookForToken();
    const timer = setInterval(() => this.#look(), this.#tickMs);
    this.#look();
    await this.#discovery.run(signal);
    clearInterval(timer);
    clearTimeout(this.#hint);
    clearTimeout(this.#later);
    this.#messages?.stop();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #endpoints(): Endpoint[] {
    if (this.#metrics.waitingForToken) return [];
    const { localAddress, apiPort, seedDir } = this.#settings;
    const known = this.#balancer.states();
    const endpoints = orderEndpoints(known, { address: localAddress, port: apiPort });
    if (known.length > 0) return endpoints;
    return [...endpoints, ...parseBackends(readSeed(seedDir)?.data ?? {}).backends];
  }

  /** One look at HAProxy; its messages (server down, server up) bring the next look forward. */
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

  /** One look under way and one after it are enough. */
  async #tick(): Promise<void> {
    if (this.#looksWaiting > 1) return;
    this.#lookForToken();
    this.#looksWaiting += 1;
    await this.#checkToken.sync(this.#runtime);
    await this.#balancer.tick();
    this.#looksWaiting -= 1;
    // A watch on a server that hangs is silent like any other: HAProxy's checks know first.
    const [best] = this.#endpoints();
    if (best === undefined || this.#isDown(best)) return;
    this.#discovery.leave(
      (endpoint) => this.#isDown(endpoint),
      "HAProxy's checks get no answer from it",
    );
    if (this.#token.changed()) this.#discovery.leave(() => true, "there is another token");
  }

  /** Without a token nobody is asked: no error is counted, and what is waited for is said once. */
  #lookForToken(): void {
    const waiting = !this.#token.present();
    if (waiting === this.#metrics.waitingForToken) return;
    this.#metrics.waitingForToken = waiting;
    if (waiting) this.#log.info("waiting for the token", { from: this.#token.where });
    else this.#log.info("there is a token");
  }

  #isDown(endpoint: Endpoint): boolean {
    const same = ({ address, port }: Endpoint): boolean =>
      address === endpoint.address && port === endpoint.port;
    return this.#balancer.states().find(same)?.state === "down";
  }

  async #apply(): Promise<void> {
    // Our own file was lost: what HAProxy runs is what is wanted so far.
    if (this.#balancer.backends().length === 0) await this.#balancer.tick();
    const { revision, backends, refused, problems } = this.#discovery.found(
      this.#balancer.backends(),
    );
    this.#events.uid = this.#discovery.uid;
    this.#metrics.outOfSlice = this.#discovery.outOfSlice(backends).length;
    this.#tellRefused(refused);
    for (const problem of problems) {
      this.#metrics.countError("empty");
      this.#log.warn(problem, { revision });
      void this.#events.report("NoBackends", problem);
    }
    if (backends.length === 0) return;
    try {
      if (!(await this.#balancer.want(backends, revision))) this.#applyLater();
    } catch (error) {
      this.#log.warn("not applied", { revision, error: errorText(error) });
    }
  }

  #applyLater(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#changes.put(undefined);
    }, REFUSED_PAUSE_MS);
  }

  #tellRefused(refused: readonly Refused[]): void {
    const before = new Set(this.#refused.map((entry) => JSON.stringify(entry)));
    this.#refused = refused;
    this.#metrics.refused = refused.length;
    const fresh = refused.filter((entry) => !before.has(JSON.stringify(entry)));
    for (const { key, value, reason } of fresh) {
      this.#log.warn("refused an entry", { key, value, reason });
    }
    for (const { key, value, reason } of fresh.slice(0, MAX_EVENTS)) {
      void this.#events.report("BackendRefused", `${key}: "${value}": ${reason}`);
    }
  }

  #status(): UpdaterStatus {
    const { secondsSinceSync, revision } = this.#metrics;
    return {
      lastSyncSeconds: secondsSinceSync ?? null,
      waitingForToken: this.#metrics.waitingForToken,
      token: this.#token.syncedWith(secondsSinceSync),
      revision,
      backends: this.#balancer
        .states()
        .map(({ name, address, port, state }) => ({ name, address, port, state })),
      refused: this.#refused,
      problems: this.#balancer.problems(),
      discovery: this.#settings.discovery,
      outOfSlice: this.#discovery.outOfSlice(this.#balancer.backends()),
    };
  }
}

/** HAProxy's master process; a reload is asked of it, or of root where the settings say so. */
function masterOf({ masterSocket, reloadRequestFile }: UpdaterSettings): MasterApi {
  if (reloadRequestFile === undefined) return new MasterApi(masterSocket);
  return new MasterApi(masterSocket, {
    askReload: () => writeFileAtomically(reloadRequestFile, `${new Date().toISOString()}\n`),
  });
}
