/**
 * Merges the backends of all sources, and remembers API servers that left the EndpointSlice.
 * Pure: no I/O, no clock.
 *
 * A crashed API server leaves the slice when its lease ends, about 15 s later, exactly as a removed
 * one does. So a departed member stays a backend for a time: HAProxy's checks know sooner and
 * better whether it serves, a wrong removal would cut its sessions, and a dead server in a slot
 * costs nothing.
 */
import {
  formatBackend,
  MAX_BACKENDS,
  type Backend,
  type ParsedBackends,
  type RefusedEntry,
} from "../../haproxy/model";
import type { DiscoveryMode } from "../settings";

/** An API server that is in the slice, or has been. */
export interface Member {
  readonly address: string;
  readonly port: number;
  /** When it left, on the clock of `nowMs`; undefined: it is in the slice. */
  readonly departedAtMs?: number;
}

/**
 * The members after another look at the slice: those out of it for `retainMs` are dropped.
 * A slice without any endpoint drops none, and restarts all times after it: the API server that
 * sent it serves itself, so such a slice proves nothing.
 */
export function trackSlice(
  members: readonly Member[],
  inSlice: readonly Backend[],
  nowMs: number,
  retainMs: number,
): Member[] {
  if (inSlice.length === 0) return members.map(place);
  const present = new Set(inSlice.map(formatBackend));
  const departed = members
    .filter((member) => !present.has(formatBackend(member)))
    // A clock that was set back keeps no member for longer than retainMs from now.
    .map((member) => ({ ...member, departedAtMs: Math.min(member.departedAtMs ?? nowMs, nowMs) }))
    .filter(({ departedAtMs }) => nowMs - departedAtMs < retainMs);
  return [...inSlice.map(place), ...departed.sort(lastDepartedFirst).slice(0, MAX_BACKENDS)];
}

/** Whether `trackSlice` would drop a member. */
export function isOverdue(members: readonly Member[], nowMs: number, retainMs: number): boolean {
  return members.some(
    ({ departedAtMs }) => departedAtMs !== undefined && nowMs - departedAtMs >= retainMs,
  );
}

/**
 * Entries of the ConfigMap and members as one set, by address and port. An entry gives the name;
 * a member without an entry is named by its address. Beyond MAX_BACKENDS the members that departed
 * first are left out, and members in the slice are refused with a reason.
 */
export function mergeSources(
  entries: readonly Backend[],
  members: readonly Member[],
): ParsedBackends {
  const backends = new Map(entries.map((backend) => [formatBackend(backend), backend]));
  const names = new Set(entries.map(({ name }) => name));
  const refused: RefusedEntry[] = [];
  for (const { address, port, departedAtMs } of [...members].sort(lastDepartedFirst)) {
    const identity = formatBackend({ address, port });
    if (backends.has(identity)) continue;
    if (backends.size >= MAX_BACKENDS) {
      const reason = `more than ${MAX_BACKENDS} backends`;
      if (departedAtMs === undefined) refused.push({ key: address, value: identity, reason });
      continue;
    }
    const name = names.has(address) ? identity : address;
    names.add(name);
    backends.set(identity, { name, address, port });
  }
  return { backends: [...backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), refused };
}

/**
 * The reverse, after a restart: which backends came from which source. When a member left is
 * unknown by then, so its time starts now.
 */
export function splitBySource(
  mode: DiscoveryMode,
  backends: readonly Backend[],
  nowMs: number,
): { entries: Backend[]; members: Member[] } {
  const isMember = (backend: Backend): boolean =>
    mode === "endpoints" || (mode === "both" && isNamedByAddress(backend));
  return {
    entries: backends.filter((backend) => !isMember(backend)),
    members: backends
      .filter(isMember)
      .map((backend) => ({ ...place(backend), departedAtMs: nowMs })),
  };
}

function isNamedByAddress(backend: Backend): boolean {
  return backend.name === backend.address || backend.name === formatBackend(backend);
}

function place({ address, port }: Member): Member {
  return { address, port };
}

/** Members in the slice first, then those that departed last. */
function lastDepartedFirst(a: Member, b: Member): number {
  const [one, other] = [a.departedAtMs ?? Infinity, b.departedAtMs ?? Infinity];
  if (one !== other) return one > other ? -1 : 1;
  return formatBackend(a) < formatBackend(b) ? -1 : 1;
}
