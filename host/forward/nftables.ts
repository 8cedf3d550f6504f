import { HAPROXY_UID, PRE_STOP_HANDOVER } from "../../names";
import { DIRECT_SOURCE_PORTS } from "../reachability";
import type { ForwardSettings } from "./forward-settings";

/** Our nftables table (family inet); no other table changes. */
export const NFT_TABLE = "control_plane_lb";

/**
 * The nftables ruleset as a here-document body for sh: `$own_family` is ip or ip6, `$own_target`
 * is ADDRESS:PORT, `$own_addresses` is what the forward serves, separated by commas. It loads as one
 * transaction: no packet sees half of it.
 *
 * Remote clients and pods pass prerouting. The host's own clients pass the output hook, where no
 * rule can match a listener: there the kernel prefers HAProxy's socket to the fallback's.
 * - Only packets for the host itself match, at the addresses that the forward serves. Traffic routed
 *   to the LB port of other hosts passes, and other local addresses (of IPVS, of virtual IPs) are
 *   left to others. What nobody takes there is refused: it would reach the fallback listener. IPVS
 *   takes its connections in the input hook, at 98.
 * - A listener on a specific address (HAProxy) takes the connection; one on the wildcard (our
 *   fallback) does not count.
 * - `socket wildcard` ignores TIME_WAIT sockets. A client that reuses its port within a minute
 *   reaches the current listener, as the kernel decides on arrival (`socket transparent` matches
 *   them).
 * - DNAT to the host's own address, not REDIRECT: pods behind Cilium break with REDIRECT.
 * - A connection from one of DIRECT_SOURCE_PORTS is not forwarded: the fallback listener takes it.
 * - After HAProxy's PRE_STOP_HANDOVER its listener no longer counts, for the host's own clients
 *   either. Only a connection under HAProxy's UID starts a handover: kubelet is root, whatever a
 *   pod's probe names.
 *
 * Clients of the other address family reach the fallback listener.
 */
export function nftRuleset(settings: ForwardSettings): string {
  const { lbPort, healthPort, kind, allow } = settings;
  return [
    `add table inet ${NFT_TABLE}`,
    `delete table inet ${NFT_TABLE}`,
    `table inet ${NFT_TABLE} {`,
    ...(allow.length === 0 ? [] : guardChains([lbPort, healthPort], allow)),
    ...(kind === "nftables" ? forwardChains(lbPort) : []),
    "}",
  ].join("\n");
}

// before conntrack's NAT (dstnat is -100): packets still carry their port. lo = the host itself.
function guardChains(ports: readonly number[], allow: readonly string[]): string[] {
  return [
    "  chain guard {",
    "    type filter hook prerouting priority -155; policy accept;",
    `    tcp dport { ${ports.join(", ")} } iif != lo fib daddr type local jump sources`,
    "  }",
    "  chain sources {",
    ...allow.map((cidr) => `    ${cidr.includes(":") ? "ip6" : "ip"} saddr ${cidr} return`),
    "    drop",
    "  }",
  ];
}

// -105: before the chains of iptables and kube-proxy; the first NAT rule wins
function forwardChains(lbPort: number): string[] {
  const { address, port, forwardSeconds } = PRE_STOP_HANDOVER;
  const ofFamily = `meta nfproto $own_protocol tcp dport ${lbPort}`;
  const toUs = `${ofFamily} fib daddr type local $own_family daddr { $own_addresses }`;
  const opens = "tcp flags & (syn | ack) == syn";
  const taken = `${opens} meta l4proto @handover goto own`;
  const { first, last } = DIRECT_SOURCE_PORTS;
  return [
    "  # a flag that expires: its only element is tcp",
    "  set handover {",
    "    type inet_proto",
    "    flags dynamic,timeout",
    `    timeout ${forwardSeconds}s`,
    "  }",
    "  chain own {",
    "    meta l4proto tcp dnat $own_family to $own_target",
    "  }",
    "  chain forward {",
    `    ${taken}`,
    `    tcp sport ${first}-${last} return`,
    "    socket wildcard 0 return",
    "    socket wildcard 1 goto own",
    "    socket transparent { 0, 1 } return",
    "    goto own",
    "  }",
    "  chain prerouting {",
    "    type nat hook prerouting priority -105; policy accept;",
    `    ${toUs} jump forward`,
    "  }",
    "  chain output {",
    "    type nat hook output priority -105; policy accept;",
    `    ${toUs} ${taken}`,
    "  }",
    "  chain others {",
    "    type filter hook input priority 150; policy accept;",
    `    iif != lo ${ofFamily} $own_family daddr != { $own_addresses } socket wildcard 1 reject with tcp reset`,
    "  }",
    "  chain question {",
    "    type filter hook output priority 0; policy accept;",
    `    ip daddr ${address} tcp dport ${port} ${opens} meta skuid ${HAPROXY_UID} update @handover { meta l4proto }`,
    "  }",
  ];
}

/**
 * Sh functions of the kinds nftables and socat: `rules_put`, `rules_show`, `rules_monitor` (prints
 * events), `rules_event`, `rules_tick`.
 */
export function nftFunctions(settings: ForwardSettings): string {
  return `rules_put() {
  nft -f - <<END_OF_RULES
${nftRuleset(settings)}
END_OF_RULES
}
rules_show() { # without counters and set elements; nothing without the table
  nft -s -t list table inet ${NFT_TABLE} 2>/dev/null || :
}
rules_monitor() {
  exec nft monitor destroy tables
}
rules_event() { # can event $1 mean that our rules are gone
  case $1 in
    *" ${NFT_TABLE}"*) return 0 ;;
  esac
  return 1
}
rules_tick() { # seconds between checks for lost events
  echo 5
}`;
}

/** Sh lines that delete our table, if nftables is installed. */
export const NFT_REMOVE = `if command -v nft >/dev/null 2>&1 && nft list table inet ${NFT_TABLE} >/dev/null 2>&1; then
  nft delete table inet ${NFT_TABLE} || :
fi`;
