import { PROGRAM_HEADER, quote } from "./shell";

/**
 * Which of its addresses a host takes as its own. It is resolved on the host when a unit starts, so
 * that one text fits all hosts:
 * - route: the source address of the default route (kubeadm's own rule), IPv4 before IPv6
 * - interface: the first global address of that interface, IPv4 before IPv6
 * - subnet: the first address inside that CIDR
 *
 * Virtual IPs wander between hosts, so the addresses in `not` never count. Of several IPv4
 * addresses, secondary ones and those with a prefix of /32 come last.
 */
export type OwnAddress = (
  | { readonly from: "route" }
  | { readonly from: "interface"; readonly interface: string }
  | { readonly from: "subnet"; readonly subnet: string }
) & { readonly not?: readonly string[] };

/** Which address `own` selects, in words for messages. */
export function describeOwnAddress(own: OwnAddress): string {
  switch (own.from) {
    case "route":
      return "the source address of the default route";
    case "interface":
      return `a global address of interface ${own.interface}`;
    case "subnet":
      return `an address inside ${own.subnet}`;
  }
}

/**
 * Finds the host's own address and writes `HOST_IP=...` into `target`. Fails after 10 s without an
 * address; systemd restarts the service.
 */
export function addressProgram(own: OwnAddress, target: string): string {
  return `${PROGRAM_HEADER}
${ownAddressFunctions(own)}
until=$(($(date +%s) + 10))
address=$(own_address)
while [ -z "$address" ]; do
  if [ "$(date +%s)" -ge "$until" ]; then
    echo "this host does not have "${quote(describeOwnAddress(own))}" yet" >&2
    exit 1
  fi
  sleep 0.2
  address=$(own_address)
done
file=$(mktemp ${target.slice(0, target.lastIndexOf("/"))}/.address.XXXXXX)
printf 'HOST_IP=%s\\n' "$address" >"$file"
chmod 0644 "$file"
mv -f "$file" ${target}
`;
}

/**
 * Sh function; `own_host_port PORT` prints ADDRESS:PORT of this host from the file that
 * `addressProgram` writes, and fails while there is none. Then nothing is requested: curl takes the
 * path of a URL without a host for its host.
 */
export function ownHostPort(addressFile: string): string {
  return `own_host_port() { # port
  [ -r ${addressFile} ] && read -r own_line <${addressFile} || return 1
  case \${own_line#HOST_IP=} in
    '') return 1 ;;
    *:*) printf '[%s]:%s' "\${own_line#HOST_IP=}" "$1" ;;
    *) printf '%s:%s' "\${own_line#HOST_IP=}" "$1" ;;
  esac
}`;
}

/** Sh functions; `own_address` prints the host's own address, or nothing while there is none. */
export function ownAddressFunctions(own: OwnAddress): string {
  return `${firstAddress(own.not ?? [])}
own_address() {
${SEARCH[own.from](own as never)}
}`;
}

const SEARCH = {
  route: () => `  for family in -4 -6; do
    ip -o "$family" route show default 2>/dev/null | while read -r kind route; do
      [ "$kind" = default ] || continue # "unreachable default ..."
      device='' source=''
      # shellcheck disable=SC2086 # words of the route
      set -- $route
      while [ $# -gt 1 ]; do
        case $1 in
          dev) device=\${device:-$2} ;;
          src) source=$2 ;;
        esac
        shift
      done
      if [ -n "$source" ]; then
        printf '%s\\n' "$source"
      elif [ -n "$device" ]; then
        first_address "$family" dev "$device"
      fi
      break
    done
  done | head -n 1`,
  interface: (own: { interface: string }) => `  for family in -4 -6; do
    first_address "$family" dev ${quote(own.interface)}
  done | head -n 1`,
  subnet: (own: { subnet: string }) =>
    `  first_address ${own.subnet.includes(":") ? "-6" : "-4"} to ${quote(own.subnet)}`,
};

/**
 * A tentative IPv6 address cannot be used yet, a temporary one (privacy) changes. keepalived's and
 * kube-vip's addresses are secondary, or have a prefix of /32.
 */
const firstAddress = (
  not: readonly string[],
) => `own_candidates() { # -4 or -6, then a selector of \`ip address show\`
  case $1 in
    -4) ip -o -4 address show "$2" "$3" scope global 2>/dev/null ;;
    -6) ip -o -6 address show "$2" "$3" scope global -tentative -deprecated 2>/dev/null | grep -v ' temporary ' ;;
  esac${not.length === 0 ? "" : ` | grep -vE ${quote(` (${not.map((each) => each.replaceAll(".", "\\.")).join("|")})/`)}`}
}
first_address() { # the same words
  candidates=$(own_candidates "$@" || :)
  [ -n "$candidates" ] || return 0
  {
    printf '%s\\n' "$candidates" | grep -vE '/32 | secondary ' || :
    printf '%s\\n' "$candidates" | grep -v ' secondary ' || :
    printf '%s\\n' "$candidates"
  } | while read -r _ _ _ found _; do
    printf '%s\\n' "\${found%/*}"
    break
  done
}`;
