/** The server lines of haproxy.cfg, one for each slot and pool; they are the only part that a change of the backends changes. Pure. */
import { formatBackend, type Backend } from "./model";

/** Where an empty slot points to: nothing listens on the discard port, and the slot is in maintenance anyway. */
export const EMPTY_SLOT_ADDRESS = "127.0.0.1:9";

/** Name of a slot, as HAProxy's server: slot 0 is `s1`. */
export function slotName(slot: number): string {
  return `s${slot + 1}`;
}

/** Name of the server that takes over for another one's slot when no server is ready. */
export function fallbackName(server: string): string {
  return `${server}.alive`;
}

type NameOf = (backend: Backend, slot: number) => string;

const nameOfSlot: NameOf = (_, slot) => slotName(slot);

/** @param nameOf name of a slot's server, where it is another one than the slot's */
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

/** The same API servers once more, as long as they live: HAProxy uses them when no other of the pool is up, and a retry may go there, too. */
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

/** The lines of one pool. */
const SERVER_LINES = /(?:^ {2}server s[1-9]\d* \S+ (?:disabled|# \S+)\n)+/gm;

const FALLBACK_LINES =
  /(?:^ {2}server (s[1-9]\d*)\.alive \S+ no-check backup track alive\/\1\n)+/gm;

/** A line of another version may say more than these do. */
const SERVER = /^ {2}server s[1-9]/m;

/** The same haproxy.cfg with other slots. One whose server lines are not as they are rendered here stays as it is. */
export function replaceServerLines(
  config: string,
  slots: readonly (Backend | undefined)[],
): string {
  const rest = config.replace(SERVER_LINES, "").replace(FALLBACK_LINES, "");
  if (SERVER.test(rest)) return config;
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
  return config
    .replace(SERVER_LINES, () => text(renderServerLines(slots)))
    .replace(FALLBACK_LINES, () => text(renderFallbackLines(slots)));
}
