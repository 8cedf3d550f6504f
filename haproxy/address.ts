/** IP addresses as text: parsing, canonical form, and which of them can be an API server. Pure. */
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from "node:net";

/** Addresses that no other machine can have or reach by address alone. */
const UNUSABLE = new BlockList();
UNUSABLE.addSubnet("0.0.0.0", 8, "ipv4");
UNUSABLE.addSubnet("127.0.0.0", 8, "ipv4");
UNUSABLE.addSubnet("169.254.0.0", 16, "ipv4");
UNUSABLE.addSubnet("224.0.0.0", 4, "ipv4");
UNUSABLE.addAddress("255.255.255.255", "ipv4");
UNUSABLE.addAddress("::", "ipv6");
UNUSABLE.addAddress("::1", "ipv6");
UNUSABLE.addSubnet("fe80::", 10, "ipv6");
UNUSABLE.addSubnet("ff00::", 8, "ipv6");

/**
 * Reads `ADDRESS:PORT`, IPv6 in brackets. Strict: no names, no spaces, no leading zeros, no zone.
 * The address comes back canonical, so that equal servers are equal text.
 */
export function parseAddressPort(text: string): { address: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$/.exec(text);
  if (match === null) return undefined;
  const [, six, four, digits] = match;
  const port = Number(digits);
  if (port > 65535) return undefined;
  if (six !== undefined && isIPv6(six)) return { address: canonicalAddress(six), port };
  if (four !== undefined && isIPv4(four)) return { address: four, port };
  return undefined;
}

/** `HOST:PORT` of a name or an address; IPv6 in brackets. */
export function hostPort(host: string, port: number | string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Canonical text of a valid address: IPv6 lower case and compressed (RFC 5952); other text is returned as it is. */
export function canonicalAddress(address: string): string {
  if (!isIPv6(address)) return address;
  return new SocketAddress({ address, family: "ipv6" }).address;
}

/** False for loopback, unspecified, link-local, multicast, broadcast and IPv4-mapped addresses, and for what is no address. */
export function isUsableAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  // Not in the list: there an IPv4-mapped range would match every IPv4 address.
  if (canonicalAddress(address).startsWith("::ffff:")) return false;
  return !UNUSABLE.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
