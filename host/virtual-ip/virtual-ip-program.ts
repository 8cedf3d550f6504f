import { describeOwnAddress, ownAddressFunctions } from "../own-address";
import { PROGRAM_HEADER, quote } from "../shell";
import { keepalivedConfig, nobody } from "./keepalived-config";
import { HARDWARE_ADDRESS, vrrpListener } from "./neighbours";
import { FORMER_PEER_SECONDS, virtualIpPaths, type VirtualIpSettings } from "./virtual-ip-settings";

/** Seconds that `prepare` tries; then it fails, and systemd starts it again. */
const PREPARE_SECONDS = 10;

/**
 * Hundredths of a second in which a holder that hands over has left: others take over after four
 * advertisements. HAProxy's unit gives its stop 2 s.
 */
const HAND_OVER = 150;

/**
 * Hundredths of a second from which new connections wait before the address leaves in order: time for
 * requests in flight, which the next holder would reset. A client's kernel sends its SYN again after
 * 1 s, to the next holder.
 */
const DRAIN = 40;

/** Of keepalived, and of the watchdog, which must not lose time that keepalived has. */
const REAL_TIME = { keepalived: 10, watch: 1 } as const;

/**
 * What the unit of keepalived runs.
 *
 * - prepare: no address is left over; nobody else has it, except a holder whose advertisements reach
 *   this host; then keepalived.conf is written. A host that takes the address without hearing the
 *   holder would be a second one.
 * - run, watch: become keepalived and the watchdog, with real-time priority where the host allows it:
 *   a busy machine must neither miss advertisements nor seem not to serve
 * - configure: writes keepalived.conf with the current peers
 * - notify: keepalived's own script; keeps the state and its time
 * - drain: keepalived is about to stop in order
 * - stopped: keepalived has ended, in order or not: no address stays behind
 * - hand-over: before HAProxy stops, another host takes the address
 * - peers ADDRESSES: learns peers; status 1 if the list is as before
 * - check: keepalived takes part in the election
 * - foreign: prints problems with other users of the address or of the router id
 */
export function virtualIpProgram(settings: VirtualIpSettings): string {
  const { address, routerId, ports, ownAddress } = settings;
  const { program, watchProgram, runDir, stateDir, peersFile } = virtualIpPaths(ports.lb);
  const six = address.includes(":");
  const prefix = six ? 128 : 32;
  const table = `control_plane_lb_virtual_ip_${ports.lb}`;
  return `${PROGRAM_HEADER}
# Who holds the virtual IP ${address}, by keepalived.
# shellcheck disable=SC2317 # called as "$1"
note() { printf '%s\\n' "$*" >&2; }
${ownAddressFunctions(ownAddress)}
${HARDWARE_ADDRESS}
${vrrpListener(address, routerId, program)}
${keepalivedConfig(settings)}
write() { # file, text: in one step
  printf '%s\\n' "$2" >"$1.$$"
  mv -f "$1.$$" "$1"
}
own_find() { # sets own and nic
  own=$(own_address)
  [ -n "$own" ] || {
    note "waiting for "${quote(describeOwnAddress(ownAddress))}": this host has none yet"
    return 1
  }
  ${settings.interface === undefined ? `nic=$(ip -o address show to "$own" | { read -r _ name _ && printf '%s' "$name"; })` : `nic=${quote(settings.interface)}`}
  case $own in
    *:*) own_version=6 ;;
    *) own_version=4 ;;
  esac
  [ "$own_version" = ${six ? 6 : 4} ] || {
    note "${address} is no IPv$own_version address, but $own of this host is: both must be of one family"
    return 1
  }
}
new_connections_wait() { # their first packets are dropped; the host's own clients would lose theirs
  command -v nft >/dev/null 2>&1 || return 0
  nft -f - <<END_OF_RULES || :
add table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain new {
    type filter hook prerouting priority -300; policy accept;
    iif != lo ${six ? "ip6" : "ip"} daddr ${address} tcp dport ${ports.lb} tcp flags & (syn | ack) == syn drop
  }
}
END_OF_RULES
}
new_connections_go_on() {
  if command -v nft >/dev/null 2>&1 && nft list table inet ${table} >/dev/null 2>&1; then
    nft delete table inet ${table} || :
  fi
}
hands_over() { # does this host hold the address, and is there another one
  read -r holds _ <${runDir}/state && [ "$holds" = MASTER ] &&
    ! grep -qxF '    ${nobody(address)}' ${runDir}/keepalived.conf
}
state() { write ${runDir}/state "$1 $(date +%s)"; }
release() { # takes the address off the host
  new_connections_go_on
  ip -o address show to ${address} | while read -r _ name _ found _; do
    [ "$found" != ${address}/${prefix} ] || ip address delete "$found" dev "$name" || :
  done
}
problems() { # prints what is wrong with other users of the address or the router id; needs own and nic
  hear=$(mktemp)
  vrrp_hear "$nic" >"$hear" &
  hearing=$!
  mac=$(hardware_address ${address} "$nic")
  wait "$hearing" || :
  others=$(sed -n 's/^foreign //p' "$hear" | sort -u | tr '\\n' ' ')
  [ -z "$others" ] ||
    echo "router id ${routerId} is used for another virtual IP by \${others% }: choose another router id"
  if [ -n "$mac" ] && ! grep -q '^ours ' "$hear"; then
    echo "$mac answers for ${address}, and no VRRP advertisement of it reaches this host: if it is a load-balancer host, let IP protocol 112 through from there; else choose a free address"
  fi
  rm -f "$hear"
}
ready_to_start() {
  own_find || return 1
  found_problems=$(problems)
  [ -n "$found_problems" ] || return 0
  write ${runDir}/waiting "$found_problems"
  return 1
}
prepare() {
  release
  state STARTING
  rm -f ${runDir}/waiting
  until=$(($(date +%s) + ${PREPARE_SECONDS}))
  until ready_to_start; do
    if [ "$(date +%s)" -ge "$until" ]; then
      cat ${runDir}/waiting >&2 2>/dev/null || :
      exit 1
    fi
    sleep 0.5
  done
  rm -f ${runDir}/waiting
  [ -e ${runDir}/weight ] || echo 0 >${runDir}/weight
  configure
}
real_time() { # priority, command: becomes it
  real_time_priority=$1
  shift
  if chrt --rr "$real_time_priority" true 2>/dev/null; then
    exec chrt --rr "$real_time_priority" "$@"
  fi
  note "no real-time priority on this host: the address may move while the machine is busy"
  exec "$@"
}
run() {
  real_time ${REAL_TIME.keepalived} keepalived --dont-fork --log-console --log-detail --vrrp --dont-respawn \\
    --use-file=${runDir}/keepalived.conf --pid=${runDir}/keepalived.pid --vrrp_pid=${runDir}/vrrp.pid
}
watch() { real_time ${REAL_TIME.watch} ${watchProgram}; }
known_peers() { # stdin: addresses; prints those of the address's family that are not the own one
  ${six ? "grep :" : "grep -v :"} | grep -vxF "$own" | sort -u || :
}
configure() {
  own_find || exit 1
  peers=$({
    cat ${peersFile} 2>/dev/null || :
    cut -d ' ' -f 1 ${stateDir}/peers 2>/dev/null || :
  } | known_peers)
  write ${runDir}/keepalived.conf "$(keepalived_config)"
}
peers() { # addresses
  own_find || return 1
  time=$(date +%s)
  touch ${stateDir}/peers
  former=$(cut -d ' ' -f 1 ${stateDir}/peers | sort -u)
  listed=$({
    cat ${peersFile} 2>/dev/null || :
    printf '%s\\n' "$@"
  } | grep . | known_peers)
  {
    [ -z "$listed" ] || printf '%s\\n' "$listed" | sed "s/$/ $time/"
    while read -r each seen; do
      if ! printf '%s\\n' "$listed" | grep -qxF "$each" && [ "$((time - seen))" -lt ${FORMER_PEER_SECONDS} ]; then
        echo "$each $seen"
      fi
    done <${stateDir}/peers
  } >${stateDir}/peers.new
  mv -f ${stateDir}/peers.new ${stateDir}/peers
  [ "$(cut -d ' ' -f 1 ${stateDir}/peers | sort -u)" != "$former" ]
}
notify() { # INSTANCE or GROUP, its name, the new state, the priority
  [ "\${1:-}" != INSTANCE ] || state "$3"
}
stopped() {
  release
  state STOPPED
}
check() {
  read -r now _ <${runDir}/state || now=UNKNOWN
  case $now in
    MASTER | BACKUP) return 0 ;;
    FAULT) note "the interface of ${address} is down" ;;
    *) cat ${runDir}/waiting >&2 2>/dev/null || note "keepalived does not run: $now" ;;
  esac
  return 1
}
clock() { # sets now
  read -r up _ </proc/uptime
  now=\${up%.*}\${up#*.}
}
drain() {
  hands_over || return 0
  new_connections_wait
  sleep ${DRAIN / 100}
}
hand_over() {
  hands_over || return 0
  clock
  began=$now
  write ${runDir}/handing-over "$now"
  sleep 0.1
  new_connections_wait
  while hands_over && [ $((now - began)) -lt ${HAND_OVER} ]; do
    sleep 0.05
    clock
  done
  new_connections_go_on
}
foreign() {
  own_find || return 0
  if ip -o address show to ${address} | grep -q .; then return 0; fi
  problems
}
case \${1:-} in
  prepare | run | watch | configure | notify | drain | stopped | check | foreign | heard | peers)
    word=$1
    shift
    "$word" "$@"
    ;;
  hand-over) hand_over ;;
  *)
    note "got '\${1:-}', expected prepare, run, watch, configure, notify, drain, stopped, check, foreign, heard, peers or hand-over"
    exit 2
    ;;
esac
`;
}
