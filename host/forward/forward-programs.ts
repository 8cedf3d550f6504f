import { HAPROXY_UID } from "../../names";
import { describeOwnAddress, ownAddressFunctions } from "../own-address";
import { PROGRAM_HEADER, quote } from "../shell";
import { IPTABLES_REMOVE, IPTABLES_UNJUMP, iptablesFunctions } from "./iptables";
import { NFT_REMOVE, nftFunctions } from "./nftables";
import { listenerConnections, type ForwardSettings } from "./forward-settings";

/**
 * Seconds that a program waits for the host's own address. Then it fails, and systemd restarts it.
 */
export const ADDRESS_WAIT_SECONDS = 10;

/** Sh lines that remove all our rules from the kernel, of any kind. They use no file of ours. */
export const REMOVE_RULES = `${IPTABLES_UNJUMP}
${NFT_REMOVE}
${IPTABLES_REMOVE}`;

function preamble(what: string, usage: string, settings: ForwardSettings): string {
  return `${PROGRAM_HEADER}
# ${what}
# usage: ${usage}
# shellcheck disable=SC2317 # called as "$1"
note() { printf '%s\\n' "$*" >&2; }
${ownAddressFunctions(settings.ownAddress)}
own_wait() { # sets own and what the rules need of it; DHCP may be late at boot
  tries=0
  until own=$(own_address) && [ -n "$own" ]; do
    if [ "$tries" -eq 0 ]; then
      note "waiting for ${describeOwnAddress(settings.ownAddress)}: this host has none yet"
    fi
    tries=$((tries + 1))
    if [ "$tries" -ge ${ADDRESS_WAIT_SECONDS} ]; then
      note "gave up waiting for ${describeOwnAddress(settings.ownAddress)}: systemd restarts this program"
      exit 1
    fi
    sleep 1
  done
  # shellcheck disable=SC2034 # the listener does not need all of them
  case $own in
    *:*) own_family=ip6 own_protocol=ipv6 own_target="[$own]:${settings.apiPort}" ;;
    *) own_family=ip own_protocol=ipv4 own_target="$own:${settings.apiPort}" ;;
  esac
  # shellcheck disable=SC2034
  own_addresses=$own
${endpointAddresses(settings)}
}`;
}

/** Sh lines: adds the endpoint's addresses of the own family to `$own_addresses`. */
function endpointAddresses({ endpointAddresses = [] }: ForwardSettings): string {
  return endpointAddresses
    .map((address) => {
      const family = address.includes(":") ? "ip6" : "ip";
      const isOther = `[ "$own_family" = ${family} ] && [ "$own" != ${quote(address)} ]`;
      return `  if ${isOther}; then own_addresses="$own_addresses, "${quote(address)}; fi`;
    })
    .join("\n");
}

/**
 * The fallback listener: waits for the host's own address, then becomes socat on the wildcard
 * address, under HAProxy's UID (only equal UIDs may share the port). The kernel prefers HAProxy's
 * specific address: socat gets connections only while HAProxy does not listen.
 *
 * - keepalive finds a dead peer after 30 + 5 x 10 s
 * - idle connections (watches) never time out, half-closed ones after 30 s
 * - connecting to the API server times out after 5 s
 * - socat's default backlog of 5 loses SYNs in a burst
 * - connections beyond `listenerConnections` wait in that backlog
 */
export function listenerProgram(settings: ForwardSettings): string {
  const { lbPort, kind } = settings;
  const keep = "nodelay,keepalive,keepidle=30,keepintvl=10,keepcnt=5";
  return `${preamble(
    "Serves the LB port from the host's own API server while HAProxy does not listen.",
    "forward-listener run | check",
    settings,
  )}
run() {
  own_wait
  listen="TCP4-LISTEN:${lbPort}"
  if [ -e /proc/net/if_inet6 ]; then listen="TCP6-LISTEN:${lbPort},ipv6only=0"; fi
  note "forwarding port ${lbPort} to $own_target"
  exec setpriv --reuid ${HAPROXY_UID} --regid ${HAPROXY_UID} --clear-groups --no-new-privs \\
    socat -t 30 \\
    "$listen,reuseaddr,reuseport,fork,max-children=${listenerConnections(kind)},backlog=1024,${keep}" \\
    "TCP:$own_target,connect-timeout=5,${keep}"
}
check() { # does a socket listen on the wildcard address
  ss -Hltn "sport = :${lbPort}" | while read -r _ _ _ listener _; do
    case $listener in
      '*:${lbPort}' | '0.0.0.0:${lbPort}') echo yes ;;
    esac
  done | grep -q yes || {
    note "nothing listens on the wildcard address, port ${lbPort}"
    return 1
  }
}
case \${1:-} in
  run | check) "$1" ;;
  *)
    note "got '\${1:-}', expected run or check"
    exit 2
    ;;
esac
`;
}

/**
 * The program of the rules: installs (put), guards (watch) and removes them (remove). The watcher
 * follows the kernel's events and repairs a flush at once. A check every few seconds finds what a
 * lost event hides.
 */
export function rulesProgram(settings: ForwardSettings): string {
  const functions =
    settings.kind === "iptables" ? iptablesFunctions(settings) : nftFunctions(settings);
  return `${preamble(
    "Sends new connections for the LB port to the host's own API server while HAProxy does not listen.",
    "forward-rules put | watch | check | remove | stopped",
    settings,
  )}
${IPTABLES_UNJUMP}
${functions}
put() {
  own_wait
  rules_put
}
rules_complete() { # does $1, the output of rules_show, have our rules
  case $1 in
    ${settings.kind === "socat" ? "*drop*" : '*"$own_target"*'}) return 0 ;;
  esac
  return 1
}
check() {
  own_wait
  rules_complete "$(rules_show)" || {
    note "the rules (${settings.kind}, $own_target) are not in the kernel"
    return 1
  }
}
events() { # one line per event, and a tick every few seconds while the monitor runs
  rules_monitor &
  monitor=$!
  while kill -0 "$monitor" 2>/dev/null; do
    echo tick
    sleep "$(rules_tick)"
  done
}
watch() {
  own_wait
  rules_put
  until
    desired=$(rules_show)
    rules_complete "$desired"
  do
    rules_put || sleep 1
  done
  note "new connections to port ${settings.lbPort} go to $own_target while HAProxy does not listen"
  events | while read -r event; do
    if [ "$event" != tick ] && ! rules_event "$event"; then continue; fi
    [ "$(rules_show)" != "$desired" ] || continue
    note "the rules were changed or flushed ($event): restoring them"
    until rules_put; do
      note "the rules were refused: retrying in 1 s"
      sleep 1
    done
  done
  note "the kernel's event monitor has ended: systemd restarts this program"
  exit 1
}
remove() {
${REMOVE_RULES}
}
stopped() { # after a failure the rules stay: they serve until the watcher is back
  [ "\${SERVICE_RESULT:-success}" != success ] || remove
}
case \${1:-} in
  put | watch | check | remove | stopped) "$1" ;;
  *)
    note "got '\${1:-}', expected put, watch, check, remove or stopped"
    exit 2
    ;;
esac
`;
}
