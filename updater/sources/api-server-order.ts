/** Which API server the updater asks first. Pure. */
import { formatBackend, type BackendState } from "../../haproxy/model";
import type { ApiServer } from "../http";

/** API servers that the updater may ask. */
export interface KnownApiServers {
  /** The backends in use, with HAProxy's view of them. */
  readonly backends: readonly (ApiServer & { readonly state: BackendState })[];
  /** This host's own API server, if it has one. */
  readonly here: ApiServer;
  /** API servers that have answered before, the latest first. */
  readonly answered: readonly ApiServer[];
  /** The configured ones. */
  readonly initial: readonly ApiServer[];
}

/**
 * The backends first, this host's own before the others. Then API servers that no content of a
 * ConfigMap can take away: this host's own, those that answered before, the configured ones. The
 * backends that HAProxy sees down come last.
 *
 * A load-balancer host has no API server of its own. First in line, it would refuse the connection
 * each time that a watch ends.
 */
export function orderApiServers({
  backends,
  here,
  answered,
  initial,
}: KnownApiServers): ApiServer[] {
  const known = [
    ...backends.filter(({ address }) => address === here.address),
    ...backends.filter(({ address }) => address !== here.address),
  ];
  const names = new Set(backends.map(formatBackend));
  const others = [here, ...answered, ...initial].filter((it) => !names.has(formatBackend(it)));
  const all = [
    ...known.filter(({ state }) => state !== "down"),
    ...others,
    ...known.filter(({ state }) => state === "down"),
  ];
  const first = new Map(all.map((it) => [formatBackend(it), it]));
  return [...first.values()].map(({ address, port }) => ({ address, port }));
}
