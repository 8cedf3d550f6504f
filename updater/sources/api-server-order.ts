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
 * ConfigMap can take away: this host's own, those that answered before, the configured ones. Last
 * come the backends that are down, or not known yet and have never answered.
 *
 * A dedicated load-balancer host has no API server of its own. First in line, it would refuse a
 * connection at each start and each time that a watch ends.
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
  const kept = [...answered, ...initial];
  const isControlPlaneNode = [...backends, ...kept].some(({ address }) => address === here.address);
  const lasting = isControlPlaneNode ? [here, ...kept] : [...kept, here];
  const others = lasting.filter((it) => !names.has(formatBackend(it)));
  const haveAnswered = new Set(answered.map(formatBackend));
  // HAProxy's checks have seen a certificate of the cluster, or the updater has before its restart
  const isProved = (it: (typeof known)[number]): boolean =>
    it.state === "unknown" ? haveAnswered.has(formatBackend(it)) : it.state !== "down";
  const all = [...known.filter(isProved), ...others, ...known.filter((it) => !isProved(it))];
  const first = new Map(all.map((it) => [formatBackend(it), it]));
  return [...first.values()].map(({ address, port }) => ({ address, port }));
}

/** Every round asks so many of the best, and so many of the others in turn. */
const BEST = 8;
const OTHERS = 4;

/**
 * The API servers to ask in a round, counted from 1: so hundreds of wrong addresses do not keep the
 * best ones waiting.
 * @param lost has just broken its connection: its turn is the last
 */
export function chooseRound(
  ordered: readonly ApiServer[],
  round: number,
  lost?: ApiServer,
): readonly ApiServer[] {
  const isLost = (it: ApiServer): boolean =>
    lost !== undefined && formatBackend(it) === formatBackend(lost);
  const all = [...ordered.filter((it) => !isLost(it)), ...ordered.filter(isLost)];
  const others = all.slice(BEST);
  if (others.length <= OTHERS) return all;
  const first = ((round - 1) * OTHERS) % others.length;
  return [...all.slice(0, BEST), ...others.slice(first, first + OTHERS)];
}
