/** The server lines of haproxy.cfg, one for each slot; they are the only part that a change of the backends changes. Pure. */
import { formatBackend, type Backend } from "./model";

/** Where an empty slot points to: nothing listens on the discard port, and the slot is in maintenance anyway. */
export const EMPTY_SLOT_ADDRESS = "127.0.0.1:9";

/** Name of a slot, as HAProxy's server: slot 0 is `s1`. */
export function slotName(slot: number): string {
  return `s${slot + 1}`;
}

/** @param nameOf name of a slot's server, where it is another one than the slot's */
export function renderServerLines(
  slots: readonly (Backend | undefined)[],
  nameOf: (backend: Backend, slot: number) => string = (_, slot) => slotName(slot),
): string[] {
  return slots.map((backend, slot) =>
    backend === undefined
      ? `  server ${slotName(slot)} ${EMPTY_SLOT_ADDRESS} disabled`
      : `  server ${nameOf(backend, slot)} ${formatBackend(backend)} # ${backend.name}`,
  );
}

/** The lines of one pool. */
const SERVER_LINES = /(?:^ {2}server s[1-9]\d* \S+ (?:disabled|# \S+)\n)+/gm;

/** A line of another version may say more than these do. */
const SERVER = /^ {2}server s[1-9]/m;

/** The same haproxy.cfg with other slots. One whose server lines are not as they are rendered here stays as it is. */
export function replaceServerLines(
  config: string,
  slots: readonly (Backend | undefined)[],
): string {
  if (SERVER.test(config.replace(SERVER_LINES, ""))) return config;
  const lines = renderServerLines(slots).map((line) => `${line}\n`);
  return config.replace(SERVER_LINES, () => lines.join(""));
}
