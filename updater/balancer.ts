/** Keeps HAProxy, its files and the wanted backends in agreement. One thing at a time; every step can be repeated. */
import { readFileSync } from "node:fs";
import { fingerprintSpec, POOLS, renderHaproxyConfig, type Pool } from "../haproxy/config";
import type { MasterApi } from "../haproxy/master";
import { formatBackend, type Backend } from "../haproxy/model";
import { ADMIN, type RuntimeApi, type Snapshot } from "../haproxy/runtime";
import { renderServerState } from "../haproxy/server-state";
import { describeStep, firstSlots, planSlots } from "../haproxy/slots";
import { pause } from "./backoff";
import { checkWith, RefusedConfigError } from "./check";
import { writeFileAtomically } from "./files";
import { backendsOf, readLastGood, saveLastGood } from "./last-good";
import { errorText, type Log } from "./log";
import type { ErrorKind, Metrics } from "./metrics";
import type { Verdict } from "./probe";
import { adoptSlots, isUp, planActions, type Action, type Draining } from "./reconcile";
import type { UpdaterSettings } from "./settings";
import { allowedConnections, Warnings } from "./warnings";

/** After a reload that failed the next one waits so long. */
const RELOAD_PAUSE_MS = 60_000;

/** A file that HAProxy's own check refused is tried again after this: the reason may have been the host's, not the file's. */
export const REFUSED_PAUSE_MS = 60_000;

/** A new server answers our own check within this, or waits for HAProxy's: whatever else is to be done waits meanwhile. */
const RAISE_MS = 300;

/** What the balancer works with. */
export interface BalancerParts {
  readonly settings: UpdaterSettings;
  readonly runtime: RuntimeApi;
  readonly master: MasterApi;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Something that an operator should hear of, with the reason of an Event. */
  readonly onProblem: (reason: string, message: string) => void;
  /** Asks a backend what HAProxy's checks ask. */
  readonly probe: (backend: Backend) => Promise<Verdict>;
  /** Milliseconds on a clock that nobody sets. @default performance.now */
  readonly now?: () => number;
}

/** What HAProxy makes of a backend. */
export type BackendState = "ready" | "alive" | "down" | "draining" | "unknown";

/** The updater's side of HAProxy. */
export class Balancer {
  readonly #parts: BalancerParts;
  readonly #now: () => number;
  readonly #warnings: Warnings;
  #limitedPid: number | undefined;
  #slots: readonly (Backend | undefined)[];
  #draining = new Map<number, Draining>();
  #revision: string;
  #snapshot: Snapshot | undefined;
  #unwritten = false;
  #writeNotBefore = 0;
  #refused = false;
  /** What is wrong at the moment, by its reason. */
  readonly #problems = new Map<string, string>();
  #stateText = "";
  #reloadNotBefore = 0;
  #reachable = true;
  #last: Promise<void> = Promise.resolve();

  /** Starts with the last good backends; without them it takes over what HAProxy runs. Touches nothing. */
  constructor(parts: BalancerParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    const { log, onProblem } = parts;
    this.#warnings = new Warnings({ haproxy: parts.settings.haproxy, log, onProblem });
    const lastGood = readLastGood(parts.settings.lastGoodFile);
    this.#slots = lastGood?.slots ?? firstSlots([]);
    this.#revision = lastGood?.revision ?? "";
    parts.metrics.backends = this.backends().length;
    parts.metrics.revision = this.#revision;
  }

  /** The wanted backends, sorted by name. */
  backends(): Backend[] {
    return backendsOf(this.#slots);
  }

  /** Wanted and draining backends with the state that HAProxy sees. */
  states(): (Backend & { state: BackendState })[] {
    const wanted = this.#slots.flatMap((backend, slot) =>
      backend === undefined ? [] : [{ ...backend, state: this.#stateOf(slot) }],
    );
    const leaving = [...this.#draining.values()].map(({ backend }) => ({
      ...backend,
      state: "draining" as const,
    }));
    return [...wanted, ...leaving].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What keeps files or HAProxy from being as wanted, with the reason of its Event. */
  problems(): string[] {
    return [...this.#problems].map(([reason, text]) => `${reason}: ${text}`);
  }

  /**
   * Makes these the wanted backends. Never called with none.
   * @returns false when HAProxy refuses the file with them: the former ones stay
   */
  want(backends: readonly Backend[], revision: string): Promise<boolean> {
    return this.#enqueue(() => this.#want(backends, revision));
  }

  /** Looks at HAProxy and puts right what is not as wanted. Never throws. */
  tick(): Promise<void> {
    return this.#enqueue(() => this.#tick());
  }

  #enqueue<T>(step: () => Promise<T>): Promise<T> {
    const next = this.#last.then(step);
    this.#last = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
  }

  async #want(backends: readonly Backend[], revision: string): Promise<boolean> {
    const { metrics, log, settings } = this.#parts;
    if (backends.length === 0) throw new Error("no backends: an empty set is never applied");
    // A slot that serves must not be given to another backend, only because our own file was lost.
    if (this.backends().length === 0) await this.#tick();
    const before = { slots: this.#slots, draining: this.#draining, revision: this.#revision };
    const former = new Map([...this.#draining].map(([slot, { backend }]) => [slot, backend]));
    const plan = planSlots(this.#slots, backends, former);
    const renamed = plan.slots.some((backend, slot) => backend?.name !== this.#slots[slot]?.name);
    if (!renamed && plan.steps.length === 0) {
      this.#revision = revision;
      metrics.revision = revision;
      return true;
    }
    const draining = new Map(this.#draining);
    for (const { kind, slot, backend } of plan.steps) {
      draining.delete(slot);
      const untilMs = this.#now() + settings.drainSeconds * 1000;
      if (kind === "drain" && plan.slots[slot] === undefined) {
        draining.set(slot, { backend, untilMs });
      }
    }
    this.#slots = plan.slots;
    this.#draining = draining;
    this.#revision = revision;
    const steps = plan.steps.map(describeStep);
    // Clients come first: HAProxy's check of the file takes longer than the change. One that it refuses is taken back. After that the file
    // comes first, or each further attempt would open and drain servers.
    if (!plan.needsReload && !this.#refused) await this.#tick();
    if (!this.#write(steps.join(", "))) {
      // The file has settings that HAProxy does not run: that it refuses them must not keep a dead master in rotation.
      if (plan.needsReload || !this.#runsOtherSettings()) {
        this.#refused = true;
        this.#slots = before.slots;
        this.#draining = before.draining;
        this.#revision = before.revision;
        await this.#tick();
        return false;
      }
      this.#unwritten = true;
      this.#writeNotBefore = this.#now() + REFUSED_PAUSE_MS;
    }
    this.#refused = false;
    metrics.applies += 1;
    metrics.revision = revision;
    metrics.backends = backends.length;
    log.info("applying", { revision, steps });
    await this.#tick();
    return true;
  }

  /**
   * False when HAProxy itself refuses the file: then the last good one stays.
   * @param change what an operator should read beside HAProxy's own words
   */
  #write(change = ""): boolean {
    const { settings, log, metrics } = this.#parts;
    try {
      // The state first: at no moment does a slot's old health stand beside its new address.
      this.#writeState();
      writeFileAtomically(settings.configFile, this.#render(), {
        check: checkWith(settings.checkCommand, { log, metrics }),
      });
      const revision = this.#revision;
      saveLastGood(settings.lastGoodFile, { savedAtMs: Date.now(), revision, slots: this.#slots });
      this.#unwritten = false;
      this.#problems.delete("ConfigurationNotWritten");
    } catch (error) {
      this.#problem("write", "ConfigurationNotWritten", error, change);
      if (error instanceof RefusedConfigError) return false;
      // A full disk must not keep a dead master in rotation: go on at run time, and write again later.
      if (!this.#unwritten) log.warn("will write again", { file: settings.configFile });
      this.#unwritten = true;
    }
    return true;
  }

  #render(): string {
    return renderHaproxyConfig(this.#parts.settings.haproxy, this.#slots);
  }

  /** What HAProxy knows of its servers' health, for its next start. Only a hint, so not synced to the disk. */
  #writeState(): void {
    const text = renderServerState(this.#slots, (pool, slot) => this.#isUp(pool, slot));
    if (text === this.#stateText) return;
    writeFileAtomically(this.#parts.settings.haproxy.stateFile, text, { durable: false });
    this.#stateText = text;
  }

  /** A full disk keeps nobody from looking after HAProxy. */
  #keepState(): void {
    try {
      this.#writeState();
      this.#problems.delete("ServerStateNotWritten");
    } catch (error) {
      this.#problem("write", "ServerStateNotWritten", error);
    }
  }

  /** Health counts only for the very address that it was seen at. */
  #isUp(pool: Pool, slot: number): boolean {
    const backend = this.#slots[slot];
    const server = this.#snapshot?.servers.find((it) => it.pool === pool && it.slot === slot);
    if (this.#snapshot === undefined || server === undefined || backend === undefined) return false;
    return formatBackend(server) === formatBackend(backend) && isUp(this.#snapshot, pool, slot);
  }

  async #tick(): Promise<void> {
    const { runtime, log } = this.#parts;
    try {
      const snapshot = await runtime.snapshot();
      if (!this.#reachable) log.info("HAProxy answers", { pid: snapshot.pid });
      this.#reachable = true;
      this.#snapshot = snapshot;
      if (this.backends().length === 0) this.#slots = adoptSlots(snapshot);
      if (this.backends().length === 0) return;
      if (await this.#reloadIfNeeded(snapshot)) return;
      this.#warnings.look(snapshot);
      await this.#limitConnections(snapshot);
      await this.#reconcile(snapshot);
      this.#keepState();
      if (this.#unwritten && this.#now() >= this.#writeNotBefore && !this.#write()) {
        this.#writeNotBefore = this.#now() + REFUSED_PAUSE_MS;
      }
    } catch (error) {
      this.#snapshot = undefined;
      if (this.#reachable) log.warn("HAProxy does not answer", { error: errorText(error) });
      this.#reachable = false;
      this.#parts.metrics.countError("runtime");
    }
  }

  /** Each new process has the configuration's limit, which may be more than its files allow. */
  async #limitConnections(snapshot: Snapshot): Promise<void> {
    if (snapshot.pid === this.#limitedPid) return;
    const allowed = allowedConnections(this.#parts.settings.haproxy, snapshot);
    if (allowed !== undefined) await this.#parts.runtime.limitConnections(allowed);
    this.#limitedPid = snapshot.pid;
  }

  async #reconcile(snapshot: Snapshot): Promise<void> {
    const { settings, log } = this.#parts;
    const actions = planActions(snapshot, {
      slots: this.#slots,
      draining: this.#draining,
      nowMs: this.#now(),
    });
    for (const action of actions) {
      await this.#perform(action);
      log.info("told HAProxy", { action: action.kind, slot: `s${action.slot + 1}` });
      if (action.kind === "drain" && !this.#draining.has(action.slot)) {
        const untilMs = this.#now() + settings.drainSeconds * 1000;
        this.#draining.set(action.slot, { backend: action.backend, untilMs });
      }
      if (action.kind === "close") this.#draining.delete(action.slot);
      if (action.kind === "cut") this.#parts.metrics.sessionsCut += 1;
    }
    await this.#raise(actions.filter((action) => action.kind === "fill"));
    this.#forgetClosed(snapshot);
    if (actions.length > 0) this.#snapshot = await this.#parts.runtime.snapshot();
  }

  /** A restarted HAProxy starts with the slots of its file: nothing drains there any more. */
  #forgetClosed(snapshot: Snapshot): void {
    for (const slot of [...this.#draining.keys()]) {
      const servers = snapshot.servers.filter((server) => server.slot === slot);
      if (servers.every(({ admin }) => (admin & ADMIN.maintenance) !== 0))
        this.#draining.delete(slot);
    }
  }

  #perform(action: Action): Promise<void> {
    const { runtime } = this.#parts;
    switch (action.kind) {
      case "fill":
        return runtime.fill(action.slot, action.backend);
      case "reopen":
        return runtime.reopen(action.slot);
      case "drain":
        return runtime.drain(action.slot);
      case "close":
        return runtime.close(action.slot);
      case "cut":
        return runtime.cutSessions(action.slot);
    }
  }

  /**
   * New servers that pass a check of our own at once serve at once: HAProxy's first check comes up to a second later, and it wants two. The
   * others wait for HAProxy's.
   */
  async #raise(filled: readonly Extract<Action, { kind: "fill" }>[]): Promise<void> {
    const { probe, runtime } = this.#parts;
    const patience = new AbortController();
    const timeUp = pause(RAISE_MS, patience.signal).then(() => undefined);
    await Promise.all(
      filled.map(async ({ slot, backend }) => {
        const verdict = await Promise.race([probe(backend).catch(() => undefined), timeUp]);
        for (const pool of POOLS) if (verdict?.[pool]) await runtime.raise(pool, slot);
      }),
    );
    patience.abort();
  }

  /** A reload only for more slots than HAProxy has, or for another spec than it runs. */
  async #reloadIfNeeded(snapshot: Snapshot): Promise<boolean> {
    const { settings, metrics, master, log } = this.#parts;
    const count = snapshot.servers.filter(({ pool }) => pool === POOLS[0]).length;
    const reason =
      count < this.#slots.length
        ? `HAProxy has ${count} slots, ${this.#slots.length} are needed`
        : this.#runsOtherSettings()
          ? "the settings changed"
          : undefined;
    if (reason === undefined || this.#now() < this.#reloadNotBefore) return false;
    const old = readText(settings.configFile);
    if (!this.#write() || this.#unwritten) {
      this.#reloadNotBefore = this.#now() + RELOAD_PAUSE_MS;
      return false;
    }
    try {
      const pid = await master.reload();
      metrics.reloads += 1;
      this.#problems.delete("ReloadFailed");
      log.info("reloaded", { reason, pid });
      this.#snapshot = undefined;
      return true;
    } catch (error) {
      this.#reloadNotBefore = this.#now() + RELOAD_PAUSE_MS;
      this.#problem("reload", "ReloadFailed", error);
      // HAProxy's next start must find what it runs now.
      if (old !== undefined) writeFileAtomically(settings.configFile, old);
      return false;
    }
  }

  /** Does the HAProxy that was seen last run another spec than ours? */
  #runsOtherSettings(): boolean {
    const fingerprint = `spec-${fingerprintSpec(this.#parts.settings.haproxy)}`;
    return this.#snapshot !== undefined && this.#snapshot.description !== fingerprint;
  }

  #stateOf(slot: number): BackendState {
    if (this.#snapshot === undefined) return "unknown";
    if (this.#isUp("ready", slot)) return "ready";
    return this.#isUp("alive", slot) ? "alive" : "down";
  }

  #problem(kind: ErrorKind, reason: string, error: unknown, change = ""): void {
    const { metrics, log, onProblem } = this.#parts;
    const text = `${change === "" ? "" : `${change}: `}${errorText(error)}`;
    metrics.countError(kind);
    // What is tried each second is said once.
    if (this.#problems.get(reason) !== text) log.warn(reason, { error: text });
    this.#problems.set(reason, text);
    onProblem(reason, text);
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
