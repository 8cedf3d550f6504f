import { isIP } from "node:net";
import { canonicalAddress } from "../haproxy/address";
import type { Parsed } from "./schema";
import type { ValidationError } from "./validation";

type Known = Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">;

/**
 * An endpoint on whose address HAProxy does not listen: clients would pass HAProxy by, or reach
 * nothing. The hosts resolve a name themselves (the preflight).
 */
export function endpointConflicts(settings: Known): ValidationError[] {
  const { endpoint, virtualIp } = settings;
  if (endpoint === undefined) return [];
  const hosts = loadBalancerAddresses(settings);
  const further = endpoint.addresses.map(canonicalAddress);
  const host = canonicalAddress(endpoint.host);
  const known = Object.entries(hosts).map(([name, address]) => `${name} ${address}`);
  const named = Object.values(hosts);
  return [
    ...(isIP(host) === 0 ||
    // then the endpoint must be the virtual IP
    virtualIp !== undefined ||
    named.length === 0 ||
    [...named, ...further].includes(host)
      ? []
      : [
          {
            path: "endpoint.host",
            message: `HAProxy does not listen on ${endpoint.host}: use the address of a load-balancer host (${known.join(", ")}), make it virtualIp.address, or list it under endpoint.addresses if something else provides it (keepalived, kube-vip, a hardware load balancer)`,
          },
        ]),
    ...further.flatMap((address, index) => {
      const path = `endpoint.addresses[${index}]`;
      const owner = machineOf(settings, address);
      if (owner !== undefined) {
        return [{ path, message: `${address} is ${owner}.address: leave it out here` }];
      }
      return further.indexOf(address) === index
        ? []
        : [{ path, message: `${address} stands there already: leave it out` }];
    }),
  ];
}

/** Addresses of the hosts that run HAProxy, by name; lost ones too, as DNS may still have them. */
function loadBalancerAddresses({ topology, nodes, loadBalancers }: Known): Record<string, string> {
  const dedicated = topology === "external" && Object.keys(loadBalancers).length > 0;
  return Object.fromEntries(
    Object.entries(dedicated ? loadBalancers : nodes).map(([name, { address }]) => [
      name,
      canonicalAddress(address),
    ]),
  );
}

/** Path of the machine with this address. */
function machineOf({ nodes, loadBalancers }: Known, address: string): string | undefined {
  for (const [key, machines] of Object.entries({ nodes, loadBalancers })) {
    for (const [name, machine] of Object.entries(machines)) {
      if (canonicalAddress(machine.address) === address) return `${key}.${name}`;
    }
  }
  return undefined;
}
