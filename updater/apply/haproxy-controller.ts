/**
 * Keeps HAProxy and its files at the desired backends. Steps run one by one, and can be repeated.
 */
import type { MasterApi } from "../../haproxy/master";
import type { Backend, BackendState } from "../../haproxy/model";
import type { RuntimeApi, Snapshot } from "../../haproxy/runtime";
import { describeStep, firstSlots } from "../../haproxy/slots";
import type { Context } from "../context";
import type { ApiServer } from "../http";
import { reportHaproxyProblems } from "../report/haproxy-problems";
import { errorText } from "../report/log";
import { ServingProblems } from "../report/serving-problems";
import { statesOf } from "./backend-states";
import { CurrentSpec } from "./current-spec";
import { ConfigFiles } from "./config-files";
import {
  planSlotChange,
  someoneAnswers,
  type DesiredSlots,
  type SlotChange,
} from "./desired-slots";
import { DrainTracker } from "./drain-tracker";
import { backendsOf } from "./last-good";
import { adoptSlots } from "./reconcile";
import { Reloader, runsOtherSettings } from "./reloader";
import { RuntimeChanges, type Probe } from "./runtime-changes";

/** HAProxy counts as unreachable after this: a restart takes less. */
const UNREACHABLE_MS = 3000;

/** HAProxy's sockets, and a check of our own. */
export interface HaproxyConnections {
  readonly runtime: RuntimeApi;
  readonly master: MasterApi;
  readonly probe: Probe;
}

/** The updater's side of HAProxy. */
export class HaproxyController {
  readonly #context: Context;
  readonly #runtime: RuntimeApi;
  readonly #spec: CurrentSpec;
  readonly #files: ConfigFiles;
  readonly #reloader: Reloader;
  readonly #drains = new DrainTracker();
  readonly #changes: RuntimeChanges;
  readonly #serving: ServingProblems;
  #desired: DesiredSlots;
  #revision = "";
  #snapshot: Snapshot | undefined;
  /** HAProxy refused the file of the last change. */
  #refused = false;
  #awaySinceMs: number | undefined;
  #last: Promise<void> = Promise.resolve();

  /**
   * Starts with the last good backends; without them it adopts those that HAProxy runs.
   * Changes nothing yet.
   */
  constructor(context: Context, { runtime, master, probe }: HaproxyConnections) {
    this.#context = context;
    this.#runtime = runtime;
    this.#spec = new CurrentSpec(context.settings);
    this.#files = new ConfigFiles(context, this.#spec);
    const lastGood = this.#files.load();
    this.#reloader = new Reloader(context, master, this.#files, this.#spec);
    this.#changes = new RuntimeChanges(context, { runtime, probe, drains: this.#drains });
    this.#serving = new ServingProblems(context);
    this.#desired = {
      slots: lastGood?.slots ?? firstSlots([]),
      leaving: lastGood?.leaving ?? new Map(),
      revision: lastGood?.revision ?? "",
    };
    context.metrics.backends = this.backends().length;
    this.#applied(this.#desired.revision);
  }

  /** The desired backends, sorted by name. */
  backends(): Backend[] {
    return backendsOf(this.#desired.slots);
  }

  /** resourceVersion of the last applied change; empty before the first one. */
  get revision(): string {
    return this.#revision;
  }

  /** API servers that answered the updater before its restart, the latest first. */
  get answered(): readonly ApiServer[] {
    return this.#files.answered;
  }

  /** Keeps API servers that have answered, for the updater's next start. */
  keepAnswered(answered: readonly ApiServer[]): void {
    this.#files.keepAnswered(answered);
  }

  /** Desired, leaving and draining backends with the state that HAProxy sees. */
  states(): (Backend & { state: BackendState })[] {
    return statesOf(this.#desired, this.#drains.backends, this.#snapshot);
  }

  /**
   * Makes these the desired backends.
   * @returns false when HAProxy refuses the file with them: the former ones stay
   * @throws Error for an empty set, or an unforeseen one: the former ones stay then, too
   */
  apply(backends: readonly Backend[], revision: string): Promise<boolean> {
    return this.#enqueue(() => this.#apply(backends, revision));
  }

  /** Compares HAProxy with the desired backends, and corrects it. Never throws. */
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

  async #apply(backends: readonly Backend[], revision: string): Promise<boolean> {
    if (backends.length === 0) throw new Error("no backends: an empty set is never applied");
    const { metrics, log } = this.#context;
    await this.#adoptIfUnknown();
    const before = this.#desired;
    const { backends: draining } = this.#drains;
    const change = planSlotChange(before, draining, backends, revision, this.#snapshot);
    this.#desired = change.desired;
    if (change.isEmpty) {
      this.#files.endIfWritten(this.#desired);
      this.#applied(revision);
      return true;
    }
    const undoDrains = this.#drains.plan(change, this.#changes.drainUntilMs());
    const steps = change.steps.map(describeStep);
    let isAccepted = false;
    try {
      isAccepted = await this.#writeAndApply(change, steps.join(", "));
    } finally {
      if (!isAccepted) {
        this.#desired = before;
        undoDrains();
      }
    }
    if (!isAccepted) {
      await this.#tick();
      return false;
    }
    this.#applied(revision);
    metrics.applies += 1;
    metrics.backends = backends.length;
    log.info("applied", { revision, steps });
    await this.#tick();
    return true;
  }

  #applied(revision: string): void {
    this.#revision = revision;
    this.#context.metrics.revision = revision;
  }

  /** Our own file was lost: a slot that serves must not be given to another backend. */
  async #adoptIfUnknown(): Promise<void> {
    if (this.backends().length === 0) await this.#tick();
  }

  /**
   * HAProxy first: its check of the file takes longer than the change itself. The file first when
   * HAProxy refused the last one, as each attempt would open and drain servers, and for a reload.
   * @returns false when HAProxy refuses the file with the change
   */
  async #writeAndApply({ needsReload }: SlotChange, steps: string): Promise<boolean> {
    if (!needsReload && !this.#refused) await this.#tick();
    this.#refused = !this.#files.write(this.#desired, this.#snapshot, steps);
    // HAProxy refuses settings in the file that it does not run: that must not keep a dead
    // control-plane node in rotation.
    if (this.#refused && !needsReload && this.#runsOtherSettings()) {
      this.#files.writeLater();
      this.#refused = false;
    }
    return !this.#refused;
  }

  #runsOtherSettings(): boolean {
    return runsOtherSettings(this.#spec.get(), this.#snapshot);
  }

  async #tick(): Promise<void> {
    try {
      const snapshot = await this.#runtime.snapshot();
      this.#snapshot = snapshot;
      await this.#correct(snapshot);
      this.#reachable(snapshot);
    } catch (error) {
      this.#snapshot = undefined;
      this.#unreachable(error);
    }
  }

  async #correct(snapshot: Snapshot): Promise<void> {
    if (this.backends().length === 0) {
      this.#desired = { ...this.#desired, slots: adoptSlots(snapshot) };
    }
    if (this.backends().length === 0) return;
    if (await this.#reloader.reloadIfNeeded(this.#desired, snapshot)) {
      this.#snapshot = undefined;
      return;
    }
    reportHaproxyProblems(this.#context, snapshot);
    await this.#changes.limitConnections(snapshot);
    this.#endLeaving(snapshot);
    this.#snapshot = await this.#changes.reconcile(this.#desired, snapshot);
    // A new server that passes our own check is up already.
    if (this.#endLeaving(this.#snapshot)) {
      this.#snapshot = await this.#changes.reconcile(this.#desired, this.#snapshot);
    }
    this.#serving.report(this.#desired, this.#snapshot);
    this.#files.keepState(this.#desired, this.#snapshot);
    this.#files.flush(this.#desired, this.#snapshot);
  }

  /** Once a desired server answers, the former ones drain, and do not come back. */
  #endLeaving(snapshot: Snapshot): boolean {
    const { leaving } = this.#desired;
    if (leaving.size === 0 || !someoneAnswers(this.#desired, snapshot)) return false;
    const untilMs = this.#changes.drainUntilMs();
    for (const [slot, backend] of leaving) this.#drains.begin(slot, { backend, untilMs });
    this.#desired = { ...this.#desired, leaving: new Map() };
    this.#files.writeSoon();
    const backends = [...leaving.values()].map(({ name }) => name);
    this.#context.log.info("a desired backend answers: the former ones drain", { backends });
    return true;
  }

  /** It has answered, and has taken all commands. */
  #reachable({ pid }: Snapshot): void {
    const { log, report } = this.#context;
    if (this.#awaySinceMs !== undefined) log.info("HAProxy answers", { pid });
    this.#awaySinceMs = undefined;
    report.end("HaproxyUnreachable");
  }

  #unreachable(error: unknown): void {
    const { log, metrics, report, now } = this.#context;
    metrics.countError("runtime");
    if (this.#awaySinceMs === undefined) {
      log.warn("HAProxy does not answer", { error: errorText(error) });
      this.#awaySinceMs = now();
    } else if (now() - this.#awaySinceMs >= UNREACHABLE_MS) {
      report.begin("HaproxyUnreachable", error);
    }
  }
}
