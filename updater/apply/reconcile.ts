/**
 * What the running HAProxy must be told so that it does what is wanted. Pure, and looks at the state instead of at changes:
 * it holds after a restart of HAProxy, of the updater, or after somebody's command on the socket.
 */
import { POOLS } from "../../haproxy/config";
import { formatBackend, sameBackend, type Backend } from "../../haproxy/model";
import { ADMIN, type ServerState, type Snapshot, type Stat } from "../../haproxy/runtime";
import { EMPTY_SLOT_ADDRESS } from "../../haproxy/server-lines";

/** A slot whose backend has gone and whose sessions may still end by themselves. */
export interface Draining {
  readonly backend: Backend;
  /** Then its sessions are cut, on the clock of `nowMs`. */
  readonly untilMs: number;
}

/** What is wanted. */
export interface Wanted {
  readonly slots: readonly (Backend | undefined)[];
  readonly draining: ReadonlyMap<number, Draining>;
  /** Slots whose servers give no answer: their sessions hang. */
  readonly hung: ReadonlySet<number>;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: number;
}

/** One thing to do. */
export type Action =
  /** Put this backend into the slot: not used before a check has passed. */
  | { readonly kind: "fill"; readonly slot: number; readonly backend: Backend }
  /** The wanted backend was draining. */
  | { readonly kind: "reopen"; readonly slot: number }
  /** No new sessions. */
  | { readonly kind: "drain"; readonly slot: number; readonly backend: Backend }
  /** Drained, or out of time: cut what is left, maintenance. */
  | { readonly kind: "close"; readonly slot: number }
  /** The server gives no answer at all: its sessions hang. */
  | { readonly kind: "cut"; readonly slot: number };

/** The actions that lead from what HAProxy does to what is wanted; none if they agree. */
export function planActions(snapshot: Snapshot, wanted: Wanted): Action[] {
  const serversBySlot = bySlot(snapshot.servers);
  const statsBySlot = bySlot(snapshot.stats);
  const actions: Action[] = [];
  for (let slot = 0; slot < serversBySlot.length; slot++) {
    const servers = serversBySlot[slot] ?? [];
    const stats = statsBySlot[slot] ?? [];
    const backend = wanted.slots[slot];
    const action =
      backend === undefined
        ? leave(slot, servers, stats, wanted)
        : (enter(slot, backend, servers) ?? release(slot, stats, wanted));
    if (action !== undefined) actions.push(action);
  }
  return actions;
}

function bySlot<T extends { readonly slot: number }>(entries: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const entry of entries) (groups[entry.slot] ??= []).push(entry);
  return groups;
}

function enter(
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

function leave(
  slot: number,
  servers: readonly ServerState[],
  stats: readonly Stat[],
  { draining, nowMs }: Wanted,
): Action | undefined {
  const first = servers[0];
  if (first === undefined) return undefined;
  if (servers.every(({ admin }) => (admin & ADMIN.maintenance) !== 0)) return undefined;
  if (formatBackend(first) === EMPTY_SLOT_ADDRESS) return { kind: "close", slot };
  const drained = draining.get(slot);
  const quiet = stats.every(({ sessions }) => sessions === 0);
  const drains = servers.every(({ admin }) => (admin & ADMIN.drain) !== 0);
  if (drains && (quiet || (drained !== undefined && drained.untilMs <= nowMs))) {
    return { kind: "close", slot };
  }
  if (drains && drained !== undefined) return undefined;
  const backend = drained?.backend ?? { ...first, name: "unknown" };
  const { name, address, port } = backend;
  return { kind: "drain", slot, backend: { name, address, port } };
}

/** Not while the pool that serves still has the server. */
function release(slot: number, stats: readonly Stat[], { hung }: Wanted): Action | undefined {
  if (!hung.has(slot)) return undefined;
  const ready = stats.find(({ pool }) => pool === "ready");
  if (ready?.status.startsWith("DOWN") !== true) return undefined;
  return stats.some(({ sessions }) => sessions > 0) ? { kind: "cut", slot } : undefined;
}

/** Without a last good set: what HAProxy runs is what is wanted until an API server says otherwise. Names come with the ConfigMap. */
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
