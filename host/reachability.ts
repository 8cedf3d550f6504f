import { hostScript, quote } from "./shell";

/** A load-balancer host as another host reaches it. */
export interface ReachedHost {
  readonly name: string;
  readonly address: string;
}

/** The LB port of other hosts, as one host reaches it. */
export interface Reachability {
  /** Name of the host that asks. */
  readonly node: string;
  readonly lbPort: number;
  /** The load-balancer hosts; the host itself does not count. */
  readonly targets: readonly ReachedHost[];
  /**
   * Where a forward is in front of HAProxy: port of the API servers beside it. Default: HAProxy
   * listens already
   */
  readonly forwardTo?: number;
}

/**
 * Source ports for which no rule of the forward counts: such a connection reaches the LB port
 * itself, as all will once HAProxy listens. Only root has them, and socat's option lowport takes
 * one.
 */
export const DIRECT_SOURCE_PORTS = { first: 640, last: 1023 } as const;

/** Seconds until a port without an answer counts as closed. */
const CONNECT_SECONDS = 5;

/** Seconds for which a closed port is tried again. */
const RETRY_SECONDS = 6;

/**
 * Sh function `connects ADDRESS PORT`: a TCP connection opens. HAProxy without a server resets it
 * at once, which also means that the port is open. Status 2: no tool to try it.
 */
export const CONNECTS = `connects() { # address, port
  command -v bash >/dev/null 2>&1 || return 2
  # shellcheck disable=SC2016 # bash expands it
  connects_error=$(timeout ${CONNECT_SECONDS} bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1) && return 0
  case $connects_error in
    *reset*) return 0 ;;
  esac
  return 1
}`;

/** The same with socat, and with further options of socat behind a comma. */
const SOCAT_CONNECTS = `socat_connects() { # address, port, options
  case $1 in
    *:*) socat_target="TCP6:[$1]:$2" ;;
    *) socat_target="TCP4:$1:$2" ;;
  esac
  connects_error=$(socat -u /dev/null "$socat_target,connect-timeout=${CONNECT_SECONDS}$3" 2>&1) && return 0
  case $connects_error in
    *reset*) return 0 ;;
  esac
  return 1
}`;

/**
 * `hostScript` that changes nothing: the LB port of every other load-balancer host is open to this
 * host. In front of HAProxy a forward may hide a firewall, as it turns the LB port into the API
 * port before the firewall sees it: this script passes the forward by.
 */
export function reachabilityScript(
  { node, lbPort, targets, forwardTo }: Reachability,
  options: { readonly generation?: number } = {},
): string {
  const others = targets.filter(({ name }) => name !== node);
  const asks = others.map(({ name, address }) => `reach ${quote(name)} ${quote(address)} &`);
  return hostScript(
    `${node}-reachability`,
    {
      apply: `${forwardTo === undefined ? byBash(lbPort) : bySocat(lbPort, forwardTo)}
reach() { # name, address
  if wait_for ${RETRY_SECONDS} lb_port_opens "$2"; then return 0; fi
  if ! may_be_asked "$2"; then
    warn "$1 ($2) answers on neither port: its LB port is not checked"
    return 0
  fi
  warn "$1 ($2) cannot be reached on the LB port ${lbPort} from this host: open the firewall of $1, and of the network between, for TCP ${lbPort}" 2>"$work/$1"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${asks.join("\n")}
wait
if [ -n "$(ls "$work")" ]; then
  cat "$work"/* >&2
  exit 1
fi
say "$script_name: the LB port ${lbPort} of ${others.map(({ name }) => name).join(", ")} is open"`,
    },
    { ...options, lock: false },
  );
}

const byBash = (lbPort: number) => `${CONNECTS}
command -v bash >/dev/null 2>&1 || {
  warn "the LB port of other hosts is not checked: install bash"
  exit 0
}
lb_port_opens() { connects "$1" ${lbPort}; }
may_be_asked() { :; }`;

/** A host that is down has no firewall to open. */
const bySocat = (lbPort: number, apiPort: number) => `${SOCAT_CONNECTS}
lb_port_opens() { socat_connects "$1" ${lbPort} ,lowport; }
may_be_asked() { socat_connects "$1" ${apiPort} ''; }`;
