/**
 * The backends of the control-plane endpoint, and how the ConfigMap's entries become backends.
 * Pure.
 */
import { hostPort, isUsableAddress, parseAddressPort } from "./address";

/** One API server. */
export interface Backend {
  /** Key in the ConfigMap, in practice the control-plane node's name: `m1`. */
  readonly name: string;
  /** IPv4 or IPv6 address, canonical, without brackets. Never a name: nothing resolves names. */
  readonly address: string;
  /** TCP port of the API server, 1-65535. */
  readonly port: number;
}

/**
 * How HAProxy sees a backend; `unknown` while HAProxy does not answer. `leaving`: it is no longer
 * desired, and serves until a desired one answers.
 */
export type BackendState = "ready" | "alive" | "down" | "leaving" | "draining" | "unknown";

/** An entry that is not a valid backend, and the reason. */
export interface RefusedEntry {
  readonly key: string;
  /** The value, cut to 80 characters: it goes into logs and Events. */
  readonly value: string;
  readonly reason: string;
}

/** Accepted backends (sorted by name) and refused entries (sorted by key). */
export interface ParsedBackends {
  readonly backends: Backend[];
  readonly refused: RefusedEntry[];
}

/** More than any control plane has: an error must not fill HAProxy's configuration. */
export const MAX_BACKENDS = 256;

/** "[" + 39 characters of IPv6 + "]:65535" is 47: a longer value is not an address. */
const MAX_VALUE_LENGTH = 64;

/** A node's name: a DNS subdomain (RFC 1123), limited to the 63 characters of one label. */
const KEY = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

/**
 * Reads the data of the ConfigMap `haproxy-backends`, one key per control-plane node:
 * `m1: "10.77.0.11:6443"`, or `"[fd00::1]:6443"`. An invalid entry is refused with a reason, and
 * does not affect the others. The order of the keys does not matter.
 */
export function parseBackends(data: Readonly<Record<string, string>>): ParsedBackends {
  const backends: Backend[] = [];
  const refused: RefusedEntry[] = [];
  const holders = new Map<string, string>();
  for (const key of Object.keys(data).sort()) {
    const raw: unknown = data[key];
    const value = typeof raw === "string" ? raw : String(raw);
    const verdict = readEntry(key, value);
    const taken = typeof verdict === "string" ? undefined : holders.get(formatBackend(verdict));
    if (typeof verdict === "string") {
      refused.push({ key, value: shorten(value), reason: verdict });
    } else if (taken !== undefined) {
      refused.push({ key, value: shorten(value), reason: `same address and port as ${taken}` });
    } else if (backends.length >= MAX_BACKENDS) {
      refused.push({ key, value: shorten(value), reason: `more than ${MAX_BACKENDS} backends` });
    } else {
      holders.set(formatBackend(verdict), key);
      backends.push(verdict);
    }
  }
  return { backends, refused };
}

/** `10.77.0.11:6443`, `[fd00::1]:6443`: the ConfigMap's form, and the identity of a backend. */
export function formatBackend(backend: Pick<Backend, "address" | "port">): string {
  return hostPort(backend.address, backend.port);
}

/** The same API server, by address and port; the name is a label. */
export function sameBackend(a: Backend | undefined, b: Backend | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.address === b.address && a.port === b.port;
}

/** The backend, or the reason of the refusal. */
function readEntry(key: string, value: string): Backend | string {
  if (!KEY.test(key)) {
    return "key: expected a node name (lower-case letters, digits, '-', '.'; at most 63)";
  }
  if (value.length > MAX_VALUE_LENGTH) return `value longer than ${MAX_VALUE_LENGTH} characters`;
  const parsed = parseAddressPort(value);
  if (parsed === undefined) {
    return 'expected ADDRESS:PORT such as "10.77.0.11:6443" or "[fd00::1]:6443"';
  }
  if (!isUsableAddress(parsed.address)) {
    return `${parsed.address} is a loopback, unspecified, link-local, multicast or broadcast address`;
  }
  return { name: key, address: parsed.address, port: parsed.port };
}

function shorten(value: string): string {
  return value.length > 80 ? `${value.slice(0, 79)}…` : value;
}
