/** Keeps HAProxy, its files and the wanted backends in agreement. One thing at a time; every step can be repeated. */
import type { Backend } from "../../haproxy/model";
import type { Snapshot } from "../../haproxy/runtime";
import { describeStep, firstSlots } from "../../haproxy/slots";
import { statesOf, type BackendState } from "./health";
import { backendsOf, readLastGood } from "./last-good";
import { errorText } from "../report/log";
import { Problems, type ProblemParts } from "../report/problems";
import { adoptSlots } from "./reconcile";
import { Reloader, runsOtherSettings, type ReloaderParts } from "./reloader";
import { RuntimeChanges, type RuntimeChangesParts } from "./runtime-changes";
import { StartFiles } from "./config-files";
import { planChange, type Change, type WantedSlots } from "./desired-slots";
import { Warnings } from "../report/warnings";

/** What the balancer works with. */
export interface BalancerParts
  extends
    ProblemParts,
    Omit<RuntimeChangesParts, "now">,
    Omit<ReloaderParts, "now" | "files" | "problems"> {
  /** Milliseconds on a clock that nobody sets. @default performance.now */
  readonly now?: () => number;
}

/** The updater's side of HAProxy. */
export class Balancer {
  readonly #parts: BalancerParts;
  readonly #problems: Problems;
  readonly #warnings: Warnings;
  readonly #files: StartFiles;
  readonly #reloader: Reloader;
  readonly #changes: RuntimeChanges;
  #wanted: WantedSlots;
  #snapshot: Snapshot | undefined;
  #refused = false;
  #reachable = true;
  #last: Promise<void> = Promise.resolve();

  /** Starts with the last good backends; without them it takes over what HAProxy runs. Touches nothing. */
  constructor(parts: BalancerParts) {
    this.#parts = parts;
    const { settings, metrics, log, onProblem } = parts;
    const now = parts.now ?? (() => performance.now());
    this.#problems = new Problems(parts);
    this.#warnings = new Warnings({ haproxy: settings.haproxy, log, onProblem });
    const all = { ...parts, now, problems: this.#problems };
    const lastGood = readLastGood(settings.lastGoodFile);
    this.#files = new StartFiles(all, lastGood?.slots);
    this.#reloader = new Reloader({ ...all, files: this.#files });
    this.#changes = new RuntimeChanges(all);
    this.#wanted = {
      slots: lastGood?.slots ?? firstSlots([]),
      draining: new Map(),
      revision: lastGood?.revision ?? "",
    };
    metrics.backends = this.backends().length;
    metrics.revision = this.#wanted.revision;
  }

  /** The wanted backends, sorted by name. */
  backends(): Backend[] {
    return backendsOf(this.#wanted.slots);
  }

  /** Wanted and draining backends with the state that HAProxy sees. */
  states(): (Backend & { state: BackendState })[] {
    return statesOf(this.#wanted, this.#snapshot);
  }

  /** What keeps files or HAProxy from being as wanted, with the reason of its Event. */
  problems(): string[] {
    return this.#problems.list();
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
    const { metrics, log } = this.#parts;
    if (backends.length === 0) throw new Error("no backends: an empty set is never applied");
    // A slot that serves must not be given to another backend, only because our own file was lost.
    if (this.backends().length === 0) await this.#tick();
    const before = this.#wanted;
    const change = planChange(before, backends, revision, this.#changes.drainUntilMs());
    this.#wanted = change.wanted;
    const steps = change.steps.map(describeStep);
    if (!change.isEmpty && !(await this.#apply(change, steps.join(", ")))) {
      this.#wanted = before;
      await this.#tick();
      return false;
    }
    metrics.revision = revision;
    if (change.isEmpty) return true;
    metrics.applies += 1;
    metrics.backends = backends.length;
    log.info("applying", { revision, steps });
    await this.#tick();
    return true;
  }

  /** False when HAProxy refuses the file with the change. */
  async #apply({ needsReload }: Change, steps: string): Promise<boolean> {
    // Clients come first: HAProxy's check of the file takes longer than the change. One that it refuses is taken back. After that the file
    // comes first, or each further attempt would open and drain servers.
    if (!needsReload && !this.#refused) await this.#tick();
    this.#refused = !this.#files.write(this.#wanted, this.#snapshot, steps);
    // The file has settings that HAProxy does not run: that it refuses them must not keep a dead control-plane node in rotation.
    if (this.#refused && !needsReload && this.#runsOtherSettings()) {
      this.#files.writeLater();
      this.#refused = false;
    }
    return !this.#refused;
  }

  #runsOtherSettings(): boolean {
    return runsOtherSettings(this.#parts.settings.haproxy, this.#snapshot);
  }

  async #tick(): Promise<void> {
    const { runtime, metrics, log } = this.#parts;
    try {
      const snapshot = await runtime.snapshot();
      if (!this.#reachable) log.info("HAProxy answers", { pid: snapshot.pid });
      this.#reachable = true;
      this.#snapshot = snapshot;
      if (this.backends().length === 0) {
        this.#wanted = { ...this.#wanted, slots: adoptSlots(snapshot) };
      }
      if (this.backends().length === 0) return;
      if (await this.#reloader.reloadIfNeeded(this.#wanted, snapshot)) {
        this.#snapshot = undefined;
        return;
      }
      this.#warnings.look(snapshot);
      await this.#changes.limitConnections(snapshot);
      this.#snapshot = await this.#changes.reconcile(this.#wanted, snapshot);
      this.#files.keepState(this.#wanted, this.#snapshot);
      this.#files.catchUp(this.#wanted, this.#snapshot);
    } catch (error) {
      this.#snapshot = undefined;
      if (this.#reachable) log.warn("HAProxy does not answer", { error: errorText(error) });
      this.#reachable = false;
      metrics.countError("runtime");
    }
  }
}
