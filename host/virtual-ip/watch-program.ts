import { HEALTH_ADDRESS } from "../../names";
import { ownAddressFunctions } from "../own-address";
import { PROGRAM_HEADER } from "../shell";
import {
  HANGS_AFTER,
  PRIORITY,
  SERVING,
  virtualIpPaths,
  type VirtualIpSettings,
} from "./virtual-ip-settings";

/** A hand-over ends after this time, in hundredths of a second: then the host may hold the address again. */
const HANDING_OVER = 500;

/** Between two readings of the peers, in hundredths of a second. */
const PEERS_EVERY = 1000;

/**
 * Measures whether this host serves, and writes what that adds to its priority (`PRIORITY`), which
 * keepalived reads at once. It also kills a keepalived that hangs, and follows the peers.
 *
 * A host serves while an API server answers requests through its own LB port. Requests overlap: what
 * counts is the time since the last answer, not how long one takes, so a slow API changes nothing.
 * Times are hundredths of a second of /proc/uptime, read without a process.
 */
export function watchProgram(settings: VirtualIpSettings): string {
  const { ports, ownAddress, peersAreBackends = false } = settings;
  const { unit, program, runDir } = virtualIpPaths(ports.lb);
  return `${PROGRAM_HEADER}
# Does an API server answer through this host's LB port? Does keepalived run?
${ownAddressFunctions(ownAddress)}
write() { # file, text: in one step
  printf '%s\\n' "$2" >${runDir}/"$1.new"
  mv -f ${runDir}/"$1.new" ${runDir}/"$1"
}
clock() { # sets now
  read -r up _ </proc/uptime
  now=\${up%.*}\${up#*.}
}
ask() { # one request, in the background: writes when it was answered, or since when connections are refused
  status=0
  curl --silent --insecure --noproxy '*' --max-time 3 --output /dev/null "https://$target:${ports.lb}/livez/ping" || status=$?
  clock
  case $status in
    0)
      echo "$now" >${runDir}/answered
      [ ! -e ${runDir}/refused ] || rm -f ${runDir}/refused
      ;;
    7) [ -e ${runDir}/refused ] || echo "$now" >${runDir}/refused ;;
  esac
}
number() { # file, what counts while it has none: sets value
  value=''
  [ ! -e ${runDir}/"$1" ] || read -r value <${runDir}/"$1" || :
  value=\${value:-$2}
}
find_target() {
  target=$(own_address)
  case $target in
    *:*) target="[$target]" ;;
  esac
}
judge() { # sets serves and why
  case $state in
    MASTER) limit=${SERVING.lost.holder} refusal=${SERVING.refused.holder} again=0 ;;
    *) limit=${SERVING.lost.others} refusal=${SERVING.refused.others} again=${SERVING.regained} ;;
  esac
  number answered 0
  answered=$value
  number refused "$now"
  why=''
  if [ "$value" != "$now" ] && [ $((now - value)) -ge "$refusal" ]; then
    why="connections to port ${ports.lb} are refused"
  elif [ $((now - answered)) -ge "$limit" ]; then
    why="no API server answers through port ${ports.lb}"
  fi
  if [ -n "$why" ]; then
    serves=no good=''
    return 0
  fi
  good=\${good:-$now}
  if [ "$serves" = yes ] || [ $((now - good)) -ge "$again" ]; then
    serves=yes
  else
    why="an API server answers again through port ${ports.lb}, not long enough yet"
  fi
}
weigh() {
  weight=0
  [ "$serves" = no ] || weight=${PRIORITY.serves}
  [ "$state" != MASTER ] || weight=$((weight + ${PRIORITY.holds}))
  number handing-over 0
  if [ "$value" -gt 0 ] && [ $((now - value)) -lt ${HANDING_OVER} ]; then
    weight=0 why="it hands over"
  fi
  [ "$weight" = "$written" ] || {
    write weight "$weight"
    written=$weight
  }
  [ "$why" = "$explained" ] || {
    write serves "\${why:-yes}"
    explained=$why
  }
}
watch_keepalived() { # it wakes for each advertisement, so its running time grows
  case $state in
    MASTER) patience=${HANGS_AFTER.holder} ;;
    BACKUP) patience=${HANGS_AFTER.others} ;;
    *)
      ran='' woke=$now
      return 0
      ;;
  esac
  number vrrp.pid 0
  ran_now=''
  { read -r ran_now _ <"/proc/$value/schedstat"; } 2>/dev/null || return 0
  if [ "$value $ran_now" != "$ran" ]; then
    ran="$value $ran_now" woke=$now
  elif [ $((now - woke)) -ge "$patience" ]; then
    echo "keepalived hangs: killing it, so that another host holds the address" >&2
    systemctl kill --signal=KILL ${unit} || :
    ran='' woke=$now
  fi
}
follow_peers() {
  # shellcheck disable=SC2046 # addresses
  if ${program} peers $(listed_backends); then systemctl reload ${unit} || :; fi
}
${listedBackends(peersAreBackends ? ports.health : undefined)}
number weight 0
# restarted beside a running keepalived: what was true stays true until it is measured
serves=no written=$value explained=none good='' ran='' target=''
clock
[ "$written" -lt ${PRIORITY.serves} ] || serves=yes
[ "$serves" = no ] || echo "$now" >${runDir}/answered
asked=0 followed=0 woke=$now
while :; do
  sleep 0.1
  clock
  state=UNKNOWN
  [ ! -e ${runDir}/state ] || read -r state _ <${runDir}/state || :
  if [ -e ${runDir}/refused ] || [ $((now - asked)) -ge ${SERVING.every} ]; then
    [ -n "$target" ] || find_target
    asked=$now
    [ -z "$target" ] || ask &
  fi
  judge
  weigh
  watch_keepalived
  if [ $((now - followed)) -ge ${PEERS_EVERY} ]; then
    followed=$now target=''
    follow_peers &
  fi
done
`;
}

/** Sh function: prints the addresses of the backends where they are load-balancer hosts too. */
function listedBackends(healthPort: number | undefined): string {
  if (healthPort === undefined) return "listed_backends() { :; }";
  return `listed_backends() {
  curl --silent --fail --noproxy '*' --max-time 3 http://${HEALTH_ADDRESS}:${healthPort}/updater/status |
    grep -o '"address":"[^"]*"' | cut -d '"' -f 4 || :
}`;
}
