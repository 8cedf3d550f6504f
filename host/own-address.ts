import { quote } from "./shell";
import type { OwnAddress } from "./forward/forward-settings";

/** What an operator reads where no address was found: which one was looked for. */
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

/** Sh functions; `own_address` prints the host's own address, or nothing while there is none. */
export function ownAddressFunctions(own: OwnAddress): string {
  return `${FIRST_ADDRESS}
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

// a tentative IPv6 address cannot be used yet, a temporary one (privacy) changes
const FIRST_ADDRESS = `first_address() { # -4 or -6, then a selector of \`ip address show\`
  case $1 in
    -4) ip -o -4 address show "$2" "$3" scope global 2>/dev/null ;;
    -6) ip -o -6 address show "$2" "$3" scope global -tentative -deprecated 2>/dev/null | grep -v ' temporary ' ;;
  esac | while read -r _ _ _ found _; do
    printf '%s\\n' "\${found%/*}"
    break
  done
}`;
