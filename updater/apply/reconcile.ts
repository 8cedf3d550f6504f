/**
 * The actions that bring the running HAProxy to the desired backends. Pure and level-triggered:
 * right after a restart of HAProxy or the updater, and after an operator's command on the socket.
 */
import { POOLS } from "../../haproxy/config";
import { formatBackend, sameBackend, type Backend } from "../../haproxy/model";
import { ADMIN, type ServerState, type Snapshot, type Stat } from "../../haproxy/runtime";
import { EMPTY_SLOT_ADDRESS } from "../../haproxy/server-lines";
import type { Draining } from "./drain-tracker";

/** What HAProxy should have, and what is known of it beside its snapshot. */
export interface PlanInput {
  /** The desired backends, and those that serve on. */
  readonly slots: readonly (Backend | undefined)[];
  readonly draining: ReadonlyMap<number, Draining>;
  /** Slots whose servers do not answer: their sessions hang. */
  readonly hung: ReadonlySet<number>;
  /** Milliseconds on a monotonic clock. */
  readonly nowMs: number;
}

/** One change of one slot. */
export type Action =
  /** Put this backend into the slot; it gets no connections until a check passes. */
  | { readonly kind: "fill"; readonly slot: number; readonly backend: Backend }
  /** The desired backend drains: end that. */
  | { readonly kind: "reopen"; readonly slot: number }
  /** No new sessions. */
  | { readonly kind: "drain"; readonly slot: number; readonly backend: Backend }
  /** Drained, or past its deadline: shut down its sessions, set maintenance. */
  | { readonly kind: "close"; readonly slot: number }
  /** The server does not answer: its sessions hang. */
  | { readonly kind: "shutdownSessions"; readonly slot: number };

/** None if HAProxy is as desired. */
export function planActions(snapshot: Snapshot, input: PlanInput): Action[] {
  const serversBySlot = bySlot(snapshot.servers);
  const statsBySlot = bySlot(snapshot.stats);
  const actions: Action[] = [];
  const isReplaceable = (slot: number): boolean => anotherAnswers(snapshot.stats, slot);
  for (let slot = 0; slot < serversBySlot.length; slot++) {
    const servers = serversBySlot[slot] ?? [];
    const stats = statsBySlot[slot] ?? [];
    const backend = input.slots[slot];
    const action =
      backend === undefined
        ? emptySlot(slot, servers, stats, input, isReplaceable)
        : (fillSlot(slot, backend, servers) ?? shutdownSessions(slot, stats, input, isReplaceable));
    if (action !== undefined) actions.push(action);
  }
  return actions;
}

function bySlot<T extends { readonly slot: number }>(entries: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const entry of entries) (groups[entry.slot] ??= []).push(entry);
  return groups;
}

function fillSlot(
  slot: number,
  backend: Backend,
  servers: readonly ServerState[],
): Action | undefined {
  const right = servers.every((server) => sameBackend({ ...server, name: "" }, backend));
  const closed = servers.some(({ admin }) => (admin & ADMIN.maintenance) !== 0);
  if (!right || closed) return { kind: "fill", slot, backend };
  const drains = servers.some(({ admin }) => (admin & ADMIN.drain) !== 0);
  return drains ? { kind: "reopen", slot } : undefined;
}

function emptySlot(
  slot: number,
  servers: readonly ServerState[],
  stats: readonly Stat[],
  { draining, nowMs }: PlanInput,
  isReplaceable: (slot: number) => boolean,
): Action | undefined {
  const first = servers[0];
  if (first === undefined) return undefined;
  if (servers.every(({ admin }) => (admin & ADMIN.maintenance) !== 0)) return undefined;
  if (formatBackend(first) === EMPTY_SLOT_ADDRESS) return { kind: "close", slot };
  const drained = draining.get(slot);
  const quiet = stats.every(({ sessions }) => sessions === 0);
  const drains = servers.every(({ admin }) => (admin & ADMIN.drain) !== 0);
  const isOver = drained !== undefined && drained.untilMs <= nowMs && isReplaceable(slot);
  if (drains && (quiet || isOver)) return { kind: "close", slot };
  if (drains && drained !== undefined) return undefined;
  const backend = drained?.backend ?? { ...first, name: "unknown" };
  const { name, address, port } = backend;
  return { kind: "drain", slot, backend: { name, address, port } };
}

/**
 * Whether another server answers HAProxy's checks. Otherwise the load balancer itself may be cut
 * off for a moment, and sessions that are shut down have nowhere to go.
 */
function anotherAnswers(stats: readonly Stat[], slot: number): boolean {
  return stats.some(
    (stat) =>
      stat.slot !== slot &&
      (stat.pool === "ready" || stat.pool === "alive") &&
      stat.status.startsWith("UP"),
  );
}

/** For a hung server, once the pool that serves has taken it down. */
function shutdownSessions(
  slot: number,
  stats: readonly Stat[],
  { hung }: PlanInput,
  isReplaceable: (slot: number) => boolean,
): Action | undefined {
  if (!hung.has(slot)) return undefined;
  const ready = stats.find(({ pool }) => pool === "ready");
  if (ready?.status.startsWith("DOWN") !== true || !isReplaceable(slot)) return undefined;
  return stats.some(({ sessions }) => sessions > 0)
    ? { kind: "shutdownSessions", slot }
    : undefined;
}

/** Without a last good set HAProxy's slots are the desired ones, named by address. */
export function adoptSlots(snapshot: Snapshot): (Backend | undefined)[] {
  const servers = snapshot.servers.filter(({ pool }) => pool === POOLS[0]);
  return servers
    .sort((a, b) => a.slot - b.slot)
    .map(({ address, port, admin }) =>
      (admin & (ADMIN.maintenance | ADMIN.drain)) === 0
        ? { name: address, address, port }
        : undefined,
    );
}
