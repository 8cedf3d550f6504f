/**
 * Backends that are load balancers: their checks pass, since API servers answer through them, and
 * connections would come back to HAProxy for ever. Pure.
 */
import { formatBackend, type Backend, type ParsedBackends } from "../../haproxy/model";
import type { UpdaterSettings } from "../settings";

/** What tells a load balancer from an API server. */
export type LbPortSettings = Pick<UpdaterSettings, "apiPort" | "localAddress"> & {
  readonly haproxy: Pick<UpdaterSettings["haproxy"], "port" | "virtualAddresses">;
};

/**
 * Refuses backends on the LB port. Where API servers have the same port, which only dedicated
 * load-balancer hosts allow, it refuses those at addresses of this load balancer alone.
 */
export function refuseLbPort(parsed: ParsedBackends, settings: LbPortSettings): ParsedBackends {
  const isLb = (backend: Backend): boolean => isLoadBalancer(backend, settings);
  const { port } = settings.haproxy;
  const more = parsed.backends.filter(isLb).map((backend) => ({
    key: backend.name,
    value: formatBackend(backend),
    reason: `${port} is the LB port, and connections would come back to HAProxy: expected an API server, on port ${settings.apiPort}`,
  }));
  if (more.length === 0) return parsed;
  return {
    backends: parsed.backends.filter((backend) => !isLb(backend)),
    refused: [...parsed.refused, ...more].sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function isLoadBalancer({ address, port }: Backend, settings: LbPortSettings): boolean {
  const { haproxy, apiPort, localAddress } = settings;
  if (port !== haproxy.port) return false;
  return port !== apiPort || [localAddress, ...(haproxy.virtualAddresses ?? [])].includes(address);
}
