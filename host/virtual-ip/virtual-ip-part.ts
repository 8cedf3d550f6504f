import type { NeededPackage } from "../packages";
import type { HostPart } from "../part";
import { virtualIpPaths, type VirtualIpSettings } from "./virtual-ip-settings";
import { virtualIpProgram } from "./virtual-ip-program";
import { handOverDropIn, keepalivedUnit, watchUnit } from "./virtual-ip-units";
import { watchProgram } from "./watch-program";

/** Packages of the virtual IP. */
export const VIRTUAL_IP_PACKAGES: readonly NeededPackage[] = [
  {
    gives: "keepalived",
    atLeast: "2.2",
    because: "no older release is tested with the generated configuration",
  },
  { gives: "curl" },
  { gives: "socat" },
  { gives: "iproute2" },
  { gives: "nftables" },
];

/**
 * Seconds until keepalived must take part: about four tries of its unit. A new host waits for the
 * holder to learn of it.
 */
const DEADLINE_SECONDS = 60;

/**
 * The virtual IP of a host: keepalived by a unit of ours, and a watchdog that measures whether the
 * host serves. It comes after what serves the LB port, and after `virtualIpPeersPart` on all hosts. Of
 * the package's keepalived only the binary is used: a configuration of somebody else goes on.
 */
export function virtualIpPart(settings: VirtualIpSettings): HostPart {
  const { address, routerId, ports, behind } = settings;
  const paths = virtualIpPaths(ports.lb);
  const program = virtualIpProgram(settings);
  const watch = watchProgram(settings);
  return {
    owner: paths.part,
    packages: VIRTUAL_IP_PACKAGES,
    folders: [paths.runDir, paths.stateDir].map((path) => ({
      path,
      mode: "0755",
      user: "root",
      group: "root",
    })),
    files: [
      { path: paths.program, mode: "0755", content: program },
      { path: paths.watchProgram, mode: "0755", content: watch },
      { path: paths.identityFile, mode: "0644", content: `${routerId} ${address}\n` },
      ...(behind === "service"
        ? [{ path: paths.handOverDropIn, mode: "0644", content: handOverDropIn(ports.lb) }]
        : []),
    ],
    units: [
      {
        name: paths.unit,
        text: keepalivedUnit(settings, program),
        ready: [paths.program, "check"],
        deadlineSeconds: DEADLINE_SECONDS,
      },
      {
        name: paths.watchUnit,
        text: watchUnit(settings, [program, watch]),
        ready: ["test", "-e", `${paths.runDir}/serves`],
      },
    ],
    steps: { check: otherInstances(settings) },
    summary: `virtual IP ${address}, router id ${routerId}`,
  };
}

/**
 * The other load-balancer hosts as configured: a file that the watchdog reads. It is a part of its
 * own, so that every host knows a new one before that starts.
 *
 * @param peers addresses of all load-balancer hosts; a host's own one may be among them
 */
export function virtualIpPeersPart(lbPort: number, peers: readonly string[]): HostPart {
  const { peersFile, peersPart } = virtualIpPaths(lbPort);
  const content = [...new Set(peers)].map((peer) => `${peer}\n`).join("");
  return {
    owner: peersPart,
    files: [{ path: peersFile, mode: "0644", content }],
    summary: `${peers.length} load-balancer hosts can hold the virtual IP`,
  };
}

/** Other virtual IPs of ours on the host: each needs its own address and router id. */
const otherInstances = ({
  address,
  routerId,
  ports,
}: VirtualIpSettings) => `for other in /etc/control-plane-lb/*/virtual-ip; do
  if [ ! -e "$other" ] || [ "$other" = ${virtualIpPaths(ports.lb).identityFile} ]; then continue; fi
  read -r other_id other_address <"$other"
  [ "$other_address" != ${address} ] || fail "${address} is the virtual IP of another stack on this host ($other): choose another address"
  [ "$other_id" != ${routerId} ] || fail "router id ${routerId} is that of the virtual IP $other_address on this host ($other): choose another router id"
done`;
