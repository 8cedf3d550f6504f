/**
 * Names of servers without an updater: name and address of the backend, so that a reload keeps a
 * server's health only if both are the same. Pure.
 */
import type { Backend } from "./model";

/** `m1:10.77.0.11:6443`, `m2:fd00::12:6443`: a server's name may have colons, but no brackets. */
export function backendServerName({ name, address, port }: Backend): string {
  return `${name}:${address}:${port}`;
}

/** The reverse; undefined for other names. A backend's own name has no colon. */
export function parseServerName(server: string): Backend | undefined {
  const match = /^([^:]+):(.+):([0-9]+)$/.exec(server);
  if (match === null) return undefined;
  const [, name = "", address = "", port] = match;
  return { name, address, port: Number(port) };
}
