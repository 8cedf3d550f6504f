/** Which API server the updater asks first. Pure. */
import type { BackendState } from "../apply/health";
import type { Endpoint } from "./http";

/**
 * This host's own API server first, then the other backends; those that HAProxy's checks get no answer from come last.
 *
 * A host that is none of the backends may have no API server at all, as a host of HAProxy alone: it is asked only after all others,
 * or the updater would lose its watch to a refused connection each time that one ends.
 */
export function orderEndpoints(
  backends: readonly (Endpoint & { readonly state: BackendState })[],
  here: Endpoint,
): Endpoint[] {
  const local = backends.filter(({ address }) => address === here.address);
  const others = backends.filter(({ address }) => address !== here.address);
  const known = [...local, ...others];
  return [
    ...known.filter(({ state }) => state !== "down"),
    ...known.filter(({ state }) => state === "down"),
    ...(local.length === 0 ? [here] : []),
  ].map(({ address, port }) => ({ address, port }));
}
