import { isIP } from "node:net";
import { canonicalAddress, isUsableAddress } from "../haproxy/address";
import { familyOf } from "./networks";

/** The addresses of a range, or why it is none. */
export type ReadRange = { readonly addresses: readonly string[] } | { readonly problem: string };

/**
 * Reads `10.0.0.11`, `10.0.0.11-10.0.0.19` or `10.0.0.8/29`, IPv6 too. A network of IPv4 counts
 * without its first and last address, which no machine has.
 *
 * @param most more addresses are a problem
 */
export function readRange(text: string, most: number): ReadRange {
  const ends = endsOf(text);
  if (ends === undefined) {
    return { problem: "an address, a range like 10.0.0.11-10.0.0.19, or a CIDR like 10.0.0.8/29" };
  }
  const [first, last] = ends;
  if (familyOf(first) !== familyOf(last)) return { problem: "two addresses of one family" };
  const [from, to] = [numberOf(first), numberOf(last)];
  if (to < from) return { problem: "the lower address first" };
  if (to - from >= BigInt(most)) return { problem: `at most ${most} addresses` };
  const addresses = Array.from({ length: Number(to - from) + 1 }, (_, index) =>
    textOf(from + BigInt(index), familyOf(first)),
  );
  const unusable = addresses.find((address) => !isUsableAddress(address));
  if (unusable !== undefined) {
    return { problem: `addresses that other machines reach, and ${unusable} is none` };
  }
  return { addresses };
}

/** First and last address; undefined when the text is no range. */
function endsOf(text: string): [string, string] | undefined {
  const [network, bits, ...more] = text.split("/");
  if (network !== undefined && bits !== undefined) {
    const size = isIP(network) === 6 ? 128 : 32;
    if (more.length > 0 || isIP(network) === 0 || !/^[0-9]{1,3}$/.test(bits) || +bits > size) {
      return undefined;
    }
    return endsOfNetwork(network, size - Number(bits));
  }
  const [first, last = first, ...others] = text.split("-");
  if (first === undefined || last === undefined || others.length > 0) return undefined;
  return isIP(first) === 0 || isIP(last) === 0 ? undefined : [first, last];
}

function endsOfNetwork(network: string, hostBits: number): [string, string] {
  const family = familyOf(network);
  const size = 1n << BigInt(hostBits);
  const start = (numberOf(network) / size) * size;
  // the network's own address and that of the broadcast
  const unused = family === "ipv4" && hostBits > 1 ? 1n : 0n;
  return [textOf(start + unused, family), textOf(start + size - 1n - unused, family)];
}

function numberOf(address: string): bigint {
  const isSix = familyOf(address) === "ipv6";
  const parts = isSix ? groupsOf(canonicalAddress(address)) : address.split(".").map(Number);
  return parts.reduce((number, part) => (number << (isSix ? 16n : 8n)) + BigInt(part), 0n);
}

/** The eight groups of an IPv6 address in canonical form. */
function groupsOf(address: string): number[] {
  const [left = [], right = []] = address
    .split("::")
    .map((half) => (half === "" ? [] : half.split(":").map((group) => parseInt(group, 16))));
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function textOf(number: bigint, family: "ipv4" | "ipv6"): string {
  if (family === "ipv4")
    return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((number >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  return canonicalAddress(groups.join(":"));
}
