/**
 * The backends of all sources together, and the API servers that have left the EndpointSlice. Pure: no I/O, no clock.
 *
 * An API server that crashed leaves the slice when its lease ends, about 15 s later, exactly as one that was removed. So whoever
 * leaves stays a backend for a time: HAProxy's checks see faster and better whether it serves, a wrong removal would cut
 * its sessions, and a dead server in a slot costs nothing.
 */
import {
  formatBackend,
  MAX_BACKENDS,
  type Backend,
  type ParsedBackends,
  type Refused,
} from "../../haproxy/model";
import type { DiscoveryMode } from "../settings";

/** An API server that stands in the slice, or has stood there. */
export interface Member {
  readonly address: string;
  readonly port: number;
  /** When it left, on the clock of `nowMs`; undefined: it is in the slice. */
  readonly goneSinceMs?: number;
}

/**
 * The members after the slice was seen again. Who has been out of it for `retainMs` is forgotten, but never because of a slice without
 * any endpoint: the API server that tells so serves itself, so such a slice says nothing, and every time starts anew after it.
 */
export function followSlice(
  members: readonly Member[],
  inSlice: readonly Backend[],
  nowMs: number,
  retainMs: number,
): Member[] {
  if (inSlice.length === 0) return members.map(place);
  const present = new Set(inSlice.map(formatBackend));
  const gone = members
    .filter((member) => !present.has(formatBackend(member)))
    // A clock that was set back makes nobody stay longer than from now.
    .map((member) => ({ ...member, goneSinceMs: Math.min(member.goneSinceMs ?? nowMs, nowMs) }))
    .filter(({ goneSinceMs }) => nowMs - goneSinceMs < retainMs);
  return [...inSlice.map(place), ...gone.sort(lastGoneFirst).slice(0, MAX_BACKENDS)];
}

/** Whether `followSlice` would forget somebody. */
export function isOverdue(members: readonly Member[], nowMs: number, retainMs: number): boolean {
  return members.some(
    ({ goneSinceMs }) => goneSinceMs !== undefined && nowMs - goneSinceMs >= retainMs,
  );
}

/**
 * Entries and members as one set, by address and port: an entry gives the name, a member without one is named by its address. When
 * there is no room for all, those go first that left the slice first; members in the slice are refused with a reason.
 */
export function unite(entries: readonly Backend[], members: readonly Member[]): ParsedBackends {
  const backends = new Map(entries.map((backend) => [formatBackend(backend), backend]));
  const names = new Set(entries.map(({ name }) => name));
  const refused: Refused[] = [];
  for (const { address, port, goneSinceMs } of [...members].sort(lastGoneFirst)) {
    const identity = formatBackend({ address, port });
    if (backends.has(identity)) continue;
    if (backends.size >= MAX_BACKENDS) {
      const reason = `more than ${MAX_BACKENDS} backends`;
      if (goneSinceMs === undefined) refused.push({ key: address, value: identity, reason });
      continue;
    }
    const name = names.has(address) ? identity : address;
    names.add(name);
    backends.set(identity, { name, address, port });
  }
  return { backends: [...backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), refused };
}

/**
 * What each source must have said for these backends to be wanted: the start before any has spoken, after a restart. Nobody
 * knows since when a member is gone that is not in the slice then: its time starts now.
 */
export function divide(
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
      .map((backend) => ({ ...place(backend), goneSinceMs: nowMs })),
  };
}

function isNamedByAddress(backend: Backend): boolean {
  return backend.name === backend.address || backend.name === formatBackend(backend);
}

function place({ address, port }: Member): Member {
  return { address, port };
}

/** Those in the slice first, then who left last. */
function lastGoneFirst(a: Member, b: Member): number {
  const [one, other] = [a.goneSinceMs ?? Infinity, b.goneSinceMs ?? Infinity];
  if (one !== other) return one > other ? -1 : 1;
  return formatBackend(a) < formatBackend(b) ? -1 : 1;
}
