/** How HAProxy sees the backends. Pure. */
import { formatBackend, type Backend, type BackendState } from "../../haproxy/model";
import type { Snapshot, Stat } from "../../haproxy/runtime";
import { slotName } from "../../haproxy/server-lines";
import { ALL_DOWN, type Health } from "../../haproxy/server-state";
import { withLeaving } from "../../haproxy/slots";
import type { DesiredSlots } from "./desired-slots";

function nameOf({ pool, slot }: Pick<Stat, "pool" | "slot">): string {
  return `${pool}/${slotName(slot)}`;
}

/** Health of the backends in these slots: up only if HAProxy checks this very address. */
export function healthOf(
  slots: readonly (Backend | undefined)[],
  snapshot: Snapshot | undefined,
): Health {
  if (snapshot === undefined) return ALL_DOWN;
  const seenAt = new Map(snapshot.servers.map((server) => [nameOf(server), formatBackend(server)]));
  const up = new Set(snapshot.stats.filter(({ status }) => status.startsWith("UP")).map(nameOf));
  return (pool, slot) => {
    const backend = slots[slot];
    const name = nameOf({ pool, slot });
    return backend !== undefined && seenAt.get(name) === formatBackend(backend) && up.has(name);
  };
}

/** Desired, leaving and draining backends with their states, sorted by name. */
export function statesOf(
  { slots, leaving }: DesiredSlots,
  draining: ReadonlyMap<number, Backend>,
  snapshot: Snapshot | undefined,
): (Backend & { state: BackendState })[] {
  const isHealthy = healthOf(withLeaving(slots, leaving), snapshot);
  const stateOf = (slot: number): BackendState => {
    if (snapshot === undefined) return "unknown";
    if (isHealthy("ready", slot)) return "ready";
    return isHealthy("alive", slot) ? "alive" : "down";
  };
  const desired = slots.flatMap((backend, slot) =>
    backend === undefined ? [] : [{ ...backend, state: stateOf(slot) }],
  );
  const serving = [...leaving].map(([slot, backend]) => {
    const state = stateOf(slot);
    return { ...backend, state: state === "down" ? state : ("leaving" as const) };
  });
  const drained = [...draining.values()].map((backend) => ({
    ...backend,
    state: "draining" as const,
  }));
  return [...desired, ...serving, ...drained].sort((a, b) => (a.name < b.name ? -1 : 1));
}
