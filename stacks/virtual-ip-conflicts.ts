import { isIP } from "node:net";
import { canonicalAddress } from "../haproxy/address";
import { familyOf, holds } from "./networks";
import type { Parsed } from "./schema";
import type { ValidationError } from "./validation";

type Known = Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">;

/** A virtual IP that cannot be one, or that the endpoint does not use. */
export function virtualIpConflicts(settings: Known): ValidationError[] {
  const { virtualIp, endpoint, ownAddress } = settings;
  if (virtualIp === undefined) return [];
  const address = canonicalAddress(virtualIp.address);
  const errors: ValidationError[] = [];
  const expect = (good: boolean, path: string, message: string) => {
    if (!good) errors.push({ path, message });
  };
  for (const [path, machine] of loadBalancersIn(settings)) {
    expect(
      canonicalAddress(machine.address) !== address,
      "virtualIp.address",
      `${address} is ${path}.address: choose an address that no machine has`,
    );
    expect(
      familyOf(machine.address) === familyOf(address),
      "virtualIp.address",
      `${address} and ${path}.address ${machine.address} are of different families: both must be IPv4, or both IPv6`,
    );
  }
  for (const [name, machine] of Object.entries(settings.nodes)) {
    expect(
      canonicalAddress(machine.address) !== address || !isDedicated(settings),
      "virtualIp.address",
      `${address} is nodes.${name}.address: choose an address that no machine has`,
    );
  }
  const subnet = ownAddress?.subnet;
  if (subnet !== undefined && familyOf(subnet.split("/")[0] ?? "") === familyOf(address)) {
    expect(
      holds(subnet, address),
      "virtualIp.address",
      `${address} is not inside ownAddress.subnet ${subnet}: the address moves only within the network of the hosts`,
    );
  }
  if (endpoint !== undefined) {
    const host = canonicalAddress(endpoint.host);
    expect(
      isIP(host) === 0 || host === address,
      "endpoint.host",
      `${endpoint.host} is not the virtual IP ${address}, so it would be down with its machine: set it to ${address}, or to a name of it`,
    );
    endpoint.addresses
      .map(canonicalAddress)
      .forEach((each, index) =>
        expect(
          each !== address,
          `endpoint.addresses[${index}]`,
          `${each} is virtualIp.address: leave it out here, it is bound without this`,
        ),
      );
  }
  virtualIp.peers.forEach((peer, index) =>
    expect(
      familyOf(peer) === familyOf(address),
      `virtualIp.peers[${index}]`,
      `${peer} and the virtual IP ${address} are of different families`,
    ),
  );
  return errors;
}

function isDedicated({ topology, loadBalancers }: Known): boolean {
  return topology === "external" && Object.keys(loadBalancers).length > 0;
}

/** Load-balancer hosts by their paths in the configuration. */
function loadBalancersIn(settings: Known) {
  const key = isDedicated(settings) ? "loadBalancers" : "nodes";
  return Object.entries(settings[key]).map(([name, node]) => [`${key}.${name}`, node] as const);
}
