import { DIRECT_SOURCE_PORTS } from "../reachability";
import type { ForwardSettings } from "./forward-settings";

/** Our chain in iptables' tables nat (the forward) and mangle (the allowed sources). */
export const IPTABLES_CHAIN = "CONTROL-PLANE-LB";

/** The matches of packets for the host itself, in PREROUTING: the LB port, and with the health port. */
function matchForward({ lbPort }: ForwardSettings): string {
  return `-p tcp -m tcp --dport ${lbPort} -m addrtype --dst-type LOCAL`;
}
function matchGuard({ lbPort, healthPort }: ForwardSettings): string {
  return `-p tcp -m multiport --dports ${lbPort},${healthPort} -m addrtype --dst-type LOCAL`;
}

/**
 * The nat rules for `iptables-restore --noflush`, as a here-document body for sh; `$own_dnat` has a
 * rule for each address that the forward serves. Without --nowildcard, `-m socket` ignores listeners
 * on the wildcard (our fallback) but matches TIME_WAIT sockets. `nftRuleset` explains each rule.
 */
export function iptablesNat(): string {
  const { first, last } = DIRECT_SOURCE_PORTS;
  return [
    "*nat",
    `:${IPTABLES_CHAIN} - [0:0]`,
    `-A ${IPTABLES_CHAIN} -p tcp --sport ${first}:${last} -j RETURN`,
    `-A ${IPTABLES_CHAIN} -m socket -j RETURN`,
    "$own_dnat",
    "COMMIT",
  ].join("\n");
}

/** Sh that sets `$own_dnat` from `$own_addresses` and `$own_target`. */
export const IPTABLES_DNAT = `own_dnat=$(printf '%s\\n' "$own_addresses" | tr -d ' ' | tr ',' '\\n' | while read -r address; do
  echo "-A ${IPTABLES_CHAIN} -d $address -p tcp -j DNAT --to-destination $own_target"
done)`;

/**
 * All rules and the jump to them for `iptables-restore --test --noflush`, as a here-document body
 * for sh.
 */
export function iptablesTestRules(settings: ForwardSettings): string {
  const nat = iptablesNat().replace(
    "COMMIT",
    `-A PREROUTING ${matchForward(settings)} -j ${IPTABLES_CHAIN}\nCOMMIT`,
  );
  if (settings.allow.length === 0) return nat;
  const jump = `-A PREROUTING ${matchGuard(settings)} -j ${IPTABLES_CHAIN}\nCOMMIT`;
  return `${nat}\n${iptablesMangle([]).replace("COMMIT", jump)}`;
}

function iptablesMangle(sources: readonly string[]): string {
  return [
    "*mangle",
    `:${IPTABLES_CHAIN} - [0:0]`,
    ...sources.map((cidr) => `-A ${IPTABLES_CHAIN} -s ${cidr} -j RETURN`),
    `-A ${IPTABLES_CHAIN} -j DROP`,
    "COMMIT",
  ].join("\n");
}

/** Sh functions of kind iptables, with the names of `nftFunctions`. */
export function iptablesFunctions(settings: ForwardSettings): string {
  const guard = settings.allow.length > 0;
  return `rules_jump() { # tool, table, match: puts the jump to our chain first in PREROUTING, once
  # shellcheck disable=SC2086 # words of the match
  "$1" -w 5 -t "$2" -C PREROUTING $3 -j ${IPTABLES_CHAIN} 2>/dev/null && return 0
  rules_unjump "$1" "$2"
  # shellcheck disable=SC2086
  "$1" -w 5 -t "$2" -I PREROUTING 1 $3 -j ${IPTABLES_CHAIN}
}
rules_put() {
  case $own_family in
    ip) tool=iptables ;;
    ip6) tool=ip6tables ;;
  esac
  ${IPTABLES_DNAT}
  "$tool-restore" -w 5 --noflush <<END_OF_RULES || return 1
${iptablesNat()}
END_OF_RULES
  rules_jump "$tool" nat '${matchForward(settings)}' || return 1
${guard ? iptablesGuard(settings) : "  :"}
}
rules_show() {
  for tool in iptables ip6tables; do
    command -v "$tool" >/dev/null 2>&1 || continue
    for table in nat mangle; do
      "$tool" -w 5 -t "$table" -S ${IPTABLES_CHAIN} 2>/dev/null || :
      "$tool" -w 5 -t "$table" -S PREROUTING 2>/dev/null | grep -e '-j ${IPTABLES_CHAIN}$' || :
    done
  done
}
rules_monitored() { # legacy iptables emits no events
  command -v nft >/dev/null 2>&1 || return 1
  case $(iptables -V) in
    *nf_tables*) ;;
    *) return 1 ;;
  esac
}
rules_monitor() {
  if rules_monitored; then exec nft monitor destroy; fi
  exec tail -f /dev/null
}
rules_tick() {
  if rules_monitored; then echo 15; else echo 2; fi
}
rules_event() { # can event $1 mean that our rules are gone
  case $1 in
    *" ${IPTABLES_CHAIN}"* | *" table ip"*" nat"* | *" table ip"*" mangle"* | *" PREROUTING"*) return 0 ;;
  esac
  return 1
}`;
}

function iptablesGuard(settings: ForwardSettings): string {
  const { allow } = settings;
  const of = (
    tool: string,
    sources: readonly string[],
  ) => `${tool}-restore -w 5 --noflush <<END_OF_RULES || return 1
${iptablesMangle(sources)}
END_OF_RULES
  rules_jump ${tool} mangle '! -i lo ${matchGuard(settings)}' || return 1`;
  return `  ${of(
    "iptables",
    allow.filter((cidr) => !cidr.includes(":")),
  )}
  [ -e /proc/net/if_inet6 ] || return 0
  ${of(
    "ip6tables",
    allow.filter((cidr) => cidr.includes(":")),
  )}`;
}

/**
 * Sh function `rules_unjump TOOL TABLE`: removes the jumps to our chain from PREROUTING, for any
 * port.
 */
export const IPTABLES_UNJUMP = `rules_unjump() {
  "$1" -w 5 -t "$2" -S PREROUTING 2>/dev/null | grep -e '-j ${IPTABLES_CHAIN}$' | while read -r _ rule; do
    # shellcheck disable=SC2086 # words of the rule
    "$1" -w 5 -t "$2" -D $rule || :
  done
}`;

// what `nft list table` prints for a table whose only chain is an empty PREROUTING
const EMPTY_TABLE =
  "^(table .*|[[:space:]]*chain PREROUTING [{]|[[:space:]]*type nat .*policy accept;|[[:space:]]*type filter .*policy accept;|[[:space:]]*[}]|)$";

/**
 * Sh lines that delete our chains. iptables-nft creates whole tables and leaves them behind. A
 * table whose only chain is an empty PREROUTING with policy accept goes too; iptables recreates it
 * when needed.
 */
export const IPTABLES_REMOVE = `for tool in iptables ip6tables; do
  command -v "$tool" >/dev/null 2>&1 || continue
  for table in nat mangle; do
    "$tool" -w 5 -t "$table" -S ${IPTABLES_CHAIN} >/dev/null 2>&1 || continue
    rules_unjump "$tool" "$table"
    "$tool" -w 5 -t "$table" -F ${IPTABLES_CHAIN} || :
    "$tool" -w 5 -t "$table" -X ${IPTABLES_CHAIN} || :
    case $tool in
      iptables) family=ip ;;
      ip6tables) family=ip6 ;;
    esac
    command -v nft >/dev/null 2>&1 || continue
    case $("$tool" -V) in
      *nf_tables*) ;;
      *) continue ;;
    esac
    if ! nft list table "$family" "$table" 2>/dev/null | grep -Evq '${EMPTY_TABLE}'; then
      nft delete table "$family" "$table" 2>/dev/null || :
    fi
  done
done`;
