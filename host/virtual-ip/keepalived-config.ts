import {
  ADVERTISEMENT_SECONDS,
  PRIORITY,
  virtualIpPaths,
  type VirtualIpSettings,
} from "./virtual-ip-settings";

/**
 * The peer of a host that has no other one, for an address of this family: it is on the loopback
 * interface, where nothing takes VRRP.
 */
export function nobody(address: string): string {
  return address.includes(":") ? "::1" : "127.0.64.46";
}

/**
 * Sh function `keepalived_config` (needs `own`, `nic`, and `peers` with an address per line):
 * prints keepalived.conf. What differs between hosts is a variable.
 *
 * - unicast, and never without a peer: keepalived would use multicast
 * - the state is BACKUP on all hosts, and preemption is on: `PRIORITY` prevents what it would do
 * - /32 or /128: the address is never the source of a connection, nor a host's own
 * - with garp_*, neighbours that have missed the first announcement learn the holder from later ones
 * - higher_prio_send_advert: after a partition the holder that stays announces itself last
 */
export function keepalivedConfig({ address, routerId, ports }: VirtualIpSettings): string {
  const { program, runDir } = virtualIpPaths(ports.lb);
  const six = address.includes(":");
  return `place_bonus() { # prints what the place of this host among all adds to its priority
  bonus=${PRIORITY.firstPlace}
  { echo "$own"; printf '%s\\n' "$peers"; } | grep . | sort -u | while read -r each; do
    [ "$each" != "$own" ] || echo "$bonus"
    bonus=$((bonus / 2))
  done
}
keepalived_config() {
  cat <<END_OF_CONFIG
global_defs {
  script_user root
  enable_script_security
  vrrp_version 3
  max_auto_priority -1
  vrrp_garp_master_repeat 3
  vrrp_garp_master_delay 1
  vrrp_garp_master_refresh 10
  vrrp_garp_lower_prio_repeat 3
}
track_file weight {
  file ${runDir}/weight
  weight 1
}
vrrp_instance virtual_ip {
  state BACKUP
  interface $nic
  virtual_router_id ${routerId}
  priority $((${PRIORITY.least} + $(place_bonus)))
  advert_int ${ADVERTISEMENT_SECONDS}
  unicast_src_ip $own
  unicast_peer {
$(printf '%s\\n' "\${peers:-${nobody(address)}}" | sed 's/^/    /')
  }
  higher_prio_send_advert true
  track_file {
    weight
  }
  virtual_ipaddress {
    ${address}/${six ? `128 dev $nic preferred_lft 0` : `32 dev $nic`}
  }
  notify "${program} notify"
}
END_OF_CONFIG
}`;
}
