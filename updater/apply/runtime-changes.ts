/** Changes the running HAProxy through its runtime API. */
import { POOLS, type Pool } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import type { RuntimeApi, Snapshot } from "../../haproxy/runtime";
import { slotName } from "../../haproxy/server-lines";
import { pause } from "../backoff";
import type { Context } from "../context";
import { allowedConnections } from "../report/haproxy-problems";
import { occupiedSlots, type DesiredSlots } from "./desired-slots";
import type { DrainTracker } from "./drain-tracker";
import { planActions, type Action } from "./reconcile";
import { hungSlots, refusedSlots } from "./unresponsive";

/**
 * A new server passes our own check within this, or waits for HAProxy's: later actions wait, too.
 */
const MARK_UP_MS = 300;

/** Runs HAProxy's checks of all pools against a backend. */
export type Probe = (backend: Backend) => Promise<Readonly<Record<Pool, boolean>>>;

/** What the changes are made with. */
export interface RuntimeChangesTools {
  readonly runtime: RuntimeApi;
  readonly probe: Probe;
  readonly drains: DrainTracker;
}

type RuntimeContext = Pick<Context, "settings" | "log" | "metrics" | "now">;

/** Changes at run time; each can be repeated. */
export class RuntimeChanges {
  readonly #context: RuntimeContext;
  readonly #tools: RuntimeChangesTools;
  #limitedPid: number | undefined;
  #refused: ReadonlySet<number> = new Set();

  constructor(context: RuntimeContext, tools: RuntimeChangesTools) {
    this.#context = context;
    this.#tools = tools;
  }

  /** Lowers the limit of a new process to what its limit of open files allows. */
  async limitConnections(snapshot: Snapshot): Promise<void> {
    if (snapshot.pid === this.#limitedPid) return;
    const allowed = allowedConnections(this.#context.settings.haproxy, snapshot);
    if (allowed !== undefined) await this.#tools.runtime.limitConnections(allowed);
    this.#limitedPid = snapshot.pid;
  }

  /** Brings HAProxy's slots to the desired ones. @returns HAProxy's state after that */
  async reconcile(desired: DesiredSlots, snapshot: Snapshot): Promise<Snapshot> {
    const { metrics, log, now } = this.#context;
    const { runtime, drains } = this.#tools;
    this.#refused = refusedSlots(snapshot, this.#refused);
    const hung = hungSlots(snapshot, this.#refused);
    const slots = occupiedSlots(desired);
    const actions = planActions(snapshot, { slots, draining: drains.slots, hung, nowMs: now() });
    for (const action of actions) {
      await this.#perform(action);
      log.info("changed HAProxy", { action: action.kind, slot: slotName(action.slot) });
      if (action.kind === "drain") {
        drains.begin(action.slot, { backend: action.backend, untilMs: this.drainUntilMs() });
      }
      if (action.kind === "close") drains.end(action.slot);
      if (action.kind === "shutdownSessions") metrics.sessionsCut += 1;
    }
    await this.#markUp(actions.filter((action) => action.kind === "fill"));
    drains.endClosed(snapshot);
    return actions.length > 0 ? runtime.snapshot() : snapshot;
  }

  /** Deadline of a backend that begins to drain now. */
  drainUntilMs(): number {
    return this.#context.now() + this.#context.settings.drainSeconds * 1000;
  }

  #perform(action: Action): Promise<void> {
    const { runtime } = this.#tools;
    switch (action.kind) {
      case "fill":
        return runtime.fill(action.slot, action.backend);
      case "reopen":
        return runtime.reopen(action.slot);
      case "drain":
        return runtime.drain(action.slot);
      case "close":
        return runtime.close(action.slot);
      case "shutdownSessions":
        return runtime.shutdownSessions(action.slot);
    }
  }

  /**
   * A new server that passes our own check serves at once: HAProxy's first check comes up to a
   * second later, and it needs two. The others wait for HAProxy's checks.
   */
  async #markUp(filled: readonly Extract<Action, { kind: "fill" }>[]): Promise<void> {
    const { probe, runtime } = this.#tools;
    const stop = new AbortController();
    const timeUp = pause(MARK_UP_MS, stop.signal).then(() => undefined);
    await Promise.all(
      filled.map(async ({ slot, backend }) => {
        const result = await Promise.race([probe(backend).catch(() => undefined), timeUp]);
        for (const pool of POOLS) if (result?.[pool]) await runtime.markUp(pool, slot);
      }),
    );
    stop.abort();
  }
}
