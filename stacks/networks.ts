import { BlockList, isIP } from "node:net";

/** May this host use the LB port? An empty list allows all. */
export function isAllowed(allow: readonly string[], address: string): boolean {
  return allow.length === 0 || allow.some((cidr) => holds(cidr, address));
}

/** Is this address inside the network? */
export function holds(cidr: string, address: string): boolean {
  const [network = "", bits = ""] = cidr.split("/");
  // a BlockList takes IPv4 addresses for IPv6 ones inside ::/0
  if (familyOf(network) !== familyOf(address)) return false;
  const inside = new BlockList();
  inside.addSubnet(network, Number(bits), familyOf(network));
  return inside.check(address, familyOf(address));
}

/** Family of an address or a network. */
export function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
