/** Tells HAProxy, while it runs, what it must do so that it does what is wanted. */
import { POOLS } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import { ADMIN, type RuntimeApi, type Snapshot } from "../../haproxy/runtime";
import { slotName } from "../../haproxy/server-lines";
import { pause } from "../backoff";
import type { Log } from "../report/log";
import type { Metrics } from "../report/metrics";
import type { Verdict } from "../sources/probe";
import { planActions, type Action } from "./reconcile";
import type { UpdaterSettings } from "../settings";
import { hungSlots, refusedSlots } from "./unresponsive";
import type { WantedSlots } from "./desired-slots";
import { allowedConnections } from "../report/warnings";

/** A new server answers our own check within this, or waits for HAProxy's: whatever else is to be done waits meanwhile. */
const RAISE_MS = 300;

/** What is needed to tell it. */
export interface RuntimeChangesParts {
  readonly settings: UpdaterSettings;
  readonly runtime: RuntimeApi;
  /** Asks a backend what HAProxy's checks ask. */
  readonly probe: (backend: Backend) => Promise<Verdict>;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Milliseconds on a clock that nobody sets. */
  readonly now: () => number;
}

/** Changes at run time; each can be repeated. */
export class RuntimeChanges {
  readonly #parts: RuntimeChangesParts;
  #limitedPid: number | undefined;
  #refused: ReadonlySet<number> = new Set();

  constructor(parts: RuntimeChangesParts) {
    this.#parts = parts;
  }

  /** Each new process has the configuration's limit, which may be more than its files allow. */
  async limitConnections(snapshot: Snapshot): Promise<void> {
    if (snapshot.pid === this.#limitedPid) return;
    const { settings, runtime } = this.#parts;
    const allowed = allowedConnections(settings.haproxy, snapshot);
    if (allowed !== undefined) await runtime.limitConnections(allowed);
    this.#limitedPid = snapshot.pid;
  }

  /** Slots as they are wanted; `wanted` learns who drains now and who no longer does. @returns how HAProxy is after that */
  async reconcile(wanted: WantedSlots, snapshot: Snapshot): Promise<Snapshot> {
    const { runtime, metrics, log } = this.#parts;
    const { draining } = wanted;
    this.#refused = refusedSlots(snapshot, this.#refused);
    const hung = hungSlots(snapshot, this.#refused);
    const actions = planActions(snapshot, { ...wanted, hung, nowMs: this.#parts.now() });
    for (const action of actions) {
      await this.#perform(action);
      log.info("told HAProxy", { action: action.kind, slot: slotName(action.slot) });
      if (action.kind === "drain" && !draining.has(action.slot)) {
        draining.set(action.slot, { backend: action.backend, untilMs: this.drainUntilMs() });
      }
      if (action.kind === "close") draining.delete(action.slot);
      if (action.kind === "cut") metrics.sessionsCut += 1;
    }
    await this.#raise(actions.filter((action) => action.kind === "fill"));
    forgetClosed(wanted, snapshot);
    return actions.length > 0 ? runtime.snapshot() : snapshot;
  }

  /** When the sessions of a backend are cut that leaves now. */
  drainUntilMs(): number {
    return this.#parts.now() + this.#parts.settings.drainSeconds * 1000;
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
}

/** A restarted HAProxy starts with the slots of its file: nothing drains there any more. */
function forgetClosed({ draining }: WantedSlots, snapshot: Snapshot): void {
  for (const slot of [...draining.keys()]) {
    const servers = snapshot.servers.filter((server) => server.slot === slot);
    if (servers.every(({ admin }) => (admin & ADMIN.maintenance) !== 0)) draining.delete(slot);
  }
}
