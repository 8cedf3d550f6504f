import { hostPort } from "../haproxy/address";
import { FORWARD_UNIT, HEALTH_ADDRESS, serviceInstance } from "../names";
import { LISTENER_PROGRAM, RULES_PROGRAM, RULES_UNIT } from "../host/forward/forward-settings";
import type { ReachedHost } from "../host/reachability";
import { HOST_PATH, quote } from "../host/shell";
import { askPeers } from "./peers";
import { askVirtualIp } from "./virtual-ip";

/** Settings of the script. */
export interface StatusQuestion {
  /** The node's own address, on which HAProxy listens. */
  readonly address: string;
  readonly ports: { readonly lb: number; readonly api: number; readonly health: number };
  /** Whether there is an updater; without one, the backends come from HAProxy's metrics. */
  readonly updater: boolean;
  /** The other load-balancer hosts, whose LB port this host tries. @default none */
  readonly peers?: readonly ReachedHost[];
  /** The host is one of those that can hold this address. @default there is no virtual IP */
  readonly virtualIp?: string;
}

/** Time limit of one HTTP request on the host. */
const HTTP_SECONDS = 3;

/**
 * The script that finds out which process serves the LB port of a host; for stdin of `sh -s`, as
 * root. It changes nothing and takes no lock, so it also works during an `up`. Output: lines `KEY
 * VALUE...`, see `parseAnswers`.
 */
export function statusScript({
  address,
  ports,
  updater,
  peers = [],
  virtualIp,
}: StatusQuestion): string {
  const { haproxyUnit, updaterUnit } = serviceInstance(ports.lb);
  const url = (path: string) => quote(`http://${HEALTH_ADDRESS}:${ports.health}${path}`);
  return `set -u
LC_ALL=C
PATH=${HOST_PATH}
export LC_ALL PATH
code() { # HTTP status of a URL, 000 without an answer
  curl --silent --insecure --noproxy '*' --max-time ${HTTP_SECONDS} --output /dev/null --write-out '%{http_code}' "$1" || :
}
part() { # unit, program: state of a part of the forward, if it is installed
  [ -e "$2" ] || return 0
  if systemctl --quiet is-active "$1" && "$2" check >/dev/null 2>&1; then
    echo "forward $1 works"
  else
    echo "forward $1 broken"
  fi
}
service() { # unit: state of a service, if it is installed
  [ -e "/etc/systemd/system/$1" ] || return 0
  if systemctl --quiet is-active "$1"; then
    echo "service $1 works"
  else
    echo "service $1 broken"
  fi
}
main() {
  if ! command -v curl >/dev/null 2>&1 || ! command -v ss >/dev/null 2>&1; then
    echo "problem this host lacks curl or ss: install the packages curl and iproute2"
  fi
  ss -Hltnp 'sport = :${ports.lb}' | while read -r _ _ _ local _ process; do
    printf 'listener %s %s\\n' "$local" "$process"
  done
  part ${FORWARD_UNIT} ${LISTENER_PROGRAM}
  part ${RULES_UNIT} ${RULES_PROGRAM}
  service ${haproxyUnit}
  service ${updaterUnit}
  echo "health $(code ${url("/healthz")})"
  echo "endpoint $(code ${quote(`https://${hostPort(address, ports.lb)}/livez/ping`)})"
  echo "api $(code ${quote(`https://${hostPort(address, ports.api)}/readyz`)})"
${updater ? UPDATER(url) : METRICS(url)}
${virtualIp === undefined ? "" : askVirtualIp(virtualIp, ports.lb)}
${peers.length === 0 ? "" : askPeers(ports.lb, peers)}
}
main </dev/null
`;
}

type Url = (path: string) => string;

const ASK = `curl --silent --fail --noproxy '*' --max-time ${HTTP_SECONDS}`;

// printf: the echo of dash would turn the \n inside a JSON text into an end of line
const UPDATER = (url: Url) =>
  `  printf 'updater %s\\n' "$(${ASK} ${url("/updater/status")} | tr -d '\\n')"`;

const METRICS = (url: Url) =>
  `  ${ASK} ${url("/metrics")} | sed -n 's/^haproxy_server_status{.*state="UP"/metric &/p'`;
