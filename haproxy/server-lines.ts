/** The server lines of haproxy.cfg: the only part that depends on the backends. Pure. */
import { formatBackend, type Backend } from "./model";

/**
 * Address of an empty slot: the discard port, where nothing listens. The slot is in maintenance,
 * too.
 */
export const EMPTY_SLOT_ADDRESS = "127.0.0.1:9";

/** Name of a slot's server: slot 0 is `s1`. */
export function slotName(slot: number): string {
  return `s${slot + 1}`;
}

/** Name of the slot's fallback server, which serves while no server is ready. */
export function fallbackName(server: string): string {
  return `${server}.alive`;
}

type NameOf = (backend: Backend, slot: number) => string;

const nameOfSlot: NameOf = (_, slot) => slotName(slot);

/** @param nameOf name of a backend's server. @default the slot's */
export function renderServerLines(
  slots: readonly (Backend | undefined)[],
  nameOf: NameOf = nameOfSlot,
): string[] {
  return slots.map((backend, slot) =>
    backend === undefined
      ? `  server ${slotName(slot)} ${EMPTY_SLOT_ADDRESS} disabled`
      : `  server ${nameOf(backend, slot)} ${formatBackend(backend)} # ${backend.name}`,
  );
}

/**
 * The same API servers as fallbacks, up while they are alive: HAProxy uses them while no server of
 * the pool is up, also for a retry.
 */
export function renderFallbackLines(
  slots: readonly (Backend | undefined)[],
  nameOf: NameOf = nameOfSlot,
): string[] {
  return slots.map((backend, slot) => {
    const name = backend === undefined ? slotName(slot) : nameOf(backend, slot);
    const address = backend === undefined ? EMPTY_SLOT_ADDRESS : formatBackend(backend);
    return `  server ${fallbackName(name)} ${address} no-check backup track alive/${name}`;
  });
}

const HOSTS_COMMENT = "  # Hosts of API servers, as far as this file names them.";

/** The ACL `server`: connections from the API servers' own hosts. */
export function renderServerHosts(slots: readonly (Backend | undefined)[]): string[] {
  const hosts = new Set(slots.flatMap((backend) => backend?.address ?? []));
  return [
    HOSTS_COMMENT,
    // an ACL needs a value
    `  acl server src ${NO_HOST}`,
    ...[...hosts].map((address) => `  acl server src ${address}`),
  ];
}

/** Documentation address (RFC 5737): no host has it. */
const NO_HOST = "192.0.2.0";

const SERVER_HOSTS = new RegExp(`^${HOSTS_COMMENT}\n(?: {2}acl server src \\S+\n)+`, "m");

/** The lines of one pool. */
const SERVER_LINES = /(?:^ {2}server s[1-9]\d* \S+ (?:disabled|# \S+)\n)+/gm;

const FALLBACK_LINES =
  /(?:^ {2}server (s[1-9]\d*)\.alive \S+ no-check backup track alive\/\1\n)+/gm;

/** A line in another version's format. */
const SERVER = /^ {2}server s[1-9]/m;

/** The same haproxy.cfg with other slots; unchanged if its server lines have another format. */
export function replaceServerLines(
  config: string,
  slots: readonly (Backend | undefined)[],
): string {
  const rest = config.replace(SERVER_LINES, "").replace(FALLBACK_LINES, "");
  if (SERVER.test(rest)) return config;
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
  return config
    .replace(SERVER_HOSTS, () => text(renderServerHosts(slots)))
    .replace(SERVER_LINES, () => text(renderServerLines(slots)))
    .replace(FALLBACK_LINES, () => text(renderFallbackLines(slots)));
}
