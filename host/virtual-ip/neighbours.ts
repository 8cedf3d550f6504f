/** Seconds in which a neighbour answers the question for an address. */
const ANSWER_SECONDS = 1;

/** Seconds for which VRRP is heard: several advertisements of ours, and one of most others. */
const LISTEN_SECONDS = 1.2;

/**
 * Sh function `hardware_address ADDRESS DEVICE`: prints the hardware address that answers for this
 * address on the network, or nothing. Any packet makes the kernel ask (ARP, neighbour
 * solicitation).
 */
export const HARDWARE_ADDRESS = `hardware_address() {
  command -v bash >/dev/null 2>&1 || return 0
  ip neighbour flush to "$1" dev "$2" >/dev/null 2>&1 || :
  # shellcheck disable=SC2016 # bash expands it
  timeout 1 bash -c 'echo >"/dev/udp/$0/9"' "$1" 2>/dev/null || :
  asked=0 found=''
  while [ "$asked" -lt ${ANSWER_SECONDS * 10} ]; do
    found=$(ip neighbour show to "$1" dev "$2" | sed -n 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/p')
    [ -z "$found" ] || break
    asked=$((asked + 1))
    sleep 0.1
  done
  printf '%s' "$found"
}`;

/**
 * Sh functions of `program`, which has a word `heard` for the second one:
 * - `vrrp_hear DEVICE` prints for each VRRP advertisement with our router id that reaches this host,
 *   from unicast peers and by multicast, `ours SOURCE` or `foreign SOURCE`
 * - `heard` reads one of them on stdin; socat names its source
 *
 * In VRRP 2 and 3 byte 1 is the router id, and the first virtual address begins at byte 8.
 */
export function vrrpListener(address: string, routerId: number, program: string): string {
  const group = address.includes(":")
    ? { kind: "IP6", join: "ipv6-join-group=[ff02::12]" }
    : { kind: "IP4", join: "ip-add-membership=224.0.0.18" };
  return `vrrp_hear() { # device
  timeout ${LISTEN_SECONDS} socat -u "${group.kind}-RECVFROM:112,fork,${group.join}:$1" "EXEC:${program} heard" 2>/dev/null || :
}
heard() {
  # shellcheck disable=SC2046 # bytes
  set -- $(od -An -v -tx1)
  if [ $# -lt 12 ] || [ "$2" != ${hexByte(routerId)} ]; then return 0; fi
  shift 8
  case "$* " in
    "${hexBytes(address)} "*) echo "ours \${SOCAT_PEERADDR:-}" ;;
    *) echo "foreign \${SOCAT_PEERADDR:-}" ;;
  esac
}`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** The bytes of an address in network order, as `od` prints them. */
export function hexBytes(address: string): string {
  if (!address.includes(":")) {
    return address
      .split(".")
      .map((each) => hexByte(Number(each)))
      .join(" ");
  }
  const [head = "", tail] = address.split("::");
  const groups = (text: string | undefined) => (text ? text.split(":") : []);
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...(tail === undefined ? [] : zeros), ...last]
    .map((group) => group.padStart(4, "0"))
    .map((group) => `${group.slice(0, 2)} ${group.slice(2)}`)
    .join(" ");
}
