/** The name of a server that no updater fills: name and address of its backend, so a reload carries health over only where both are the same. Pure. */
import type { Backend } from "./model";

/** `m1:10.77.0.11:6443`, `m2:fd00::12:6443`: HAProxy allows colons in a server's name, and no brackets. */
export function backendServerName({ name, address, port }: Backend): string {
  return `${name}:${address}:${port}`;
}

/** What `backendServerName` was made of; undefined for other names. A backend's own name has no colon. */
export function parseServerName(server: string): Backend | undefined {
  const match = /^([^:]+):(.+):([0-9]+)$/.exec(server);
  if (match === null) return undefined;
  const [, name = "", address = "", port] = match;
  return { name, address, port: Number(port) };
}
