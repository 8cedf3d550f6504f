import type { Advice } from "../advice";
import { checkPackages } from "../packages";
import { quote } from "../shell";
import { HARDWARE_ADDRESS } from "../virtual-ip/neighbours";
import { VIRTUAL_IP_PACKAGES } from "../virtual-ip/virtual-ip-part";
import { virtualIpPaths } from "../virtual-ip/virtual-ip-settings";
import type { VirtualIpPreflight } from "./preflight-settings";

/**
 * Sh lines: the virtual IP is in a network of this host, and nobody has it but a load-balancer host of
 * ours. `own` is the host's address.
 */
export function virtualIpChecks(
  { address, interface: device, peers }: VirtualIpPreflight,
  lbPort: number,
  advice: Pick<Advice, "virtualIp">,
): string {
  const use = quote(advice.virtualIp);
  return `${checkPackages(VIRTUAL_IP_PACKAGES, "problem")}
${HARDWARE_ADDRESS}
check_virtual_ip() {
  has ip || return 0
  device=${device === undefined ? `$(ip -o address show to "$own" | { read -r _ name _ && printf '%s' "$name"; } || :)` : quote(device)}
  if ! ip link show dev "$device" >/dev/null 2>&1; then
    problem "there is no interface \${device:-with its own address} for the virtual IP ${address}" ${use}
    return 0
  fi
  if ip -o address show to ${address} | grep -q .; then
    systemctl --quiet is-active ${virtualIpPaths(lbPort).unit} ||
      problem "the virtual IP ${address} is on this host already, by something else than this program" "remove it there, or "${use}
    return 0
  fi
  case " $(ip -o route get ${address} 2>&1) " in
    *" via "*) ;;
    *" dev $device "*) on_link=yes ;;
  esac
  if [ "\${on_link:-no}" = no ]; then
    problem "the virtual IP ${address} is in no network of interface $device: $(ip -o route get ${address} 2>&1)" ${use}
    return 0
  fi
  holder=$(hardware_address ${address} "$device")
  [ -n "$holder" ] || return 0
  for peer in ${peers.join(" ")}; do
    if [ "$peer" != "$own" ] && [ "$(hardware_address "$peer" "$device")" = "$holder" ]; then return 0; fi
  done
  problem "the virtual IP ${address} is in use: $holder answers for it, which is no load-balancer host" ${use}
}
check_virtual_ip`;
}
