/** Which API server the updater asks first. Pure. */
import type { BackendState } from "../../haproxy/model";
import type { ApiServer } from "../http";

/**
 * This host's own API server first, then the other backends; those that HAProxy sees down come
 * last.
 *
 * A host that is no backend may have no API server, as a load-balancer host: it is asked after all
 * others. First in line, it would refuse the connection each time that a watch ends.
 */
export function orderApiServers(
  backends: readonly (ApiServer & { readonly state: BackendState })[],
  here: ApiServer,
): ApiServer[] {
  const local = backends.filter(({ address }) => address === here.address);
  const others = backends.filter(({ address }) => address !== here.address);
  const known = [...local, ...others];
  return [
    ...known.filter(({ state }) => state !== "down"),
    ...known.filter(({ state }) => state === "down"),
    ...(local.length === 0 ? [here] : []),
  ].map(({ address, port }) => ({ address, port }));
}
