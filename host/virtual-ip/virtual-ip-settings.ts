import { createHash } from "node:crypto";
import { PRODUCT, serviceInstance } from "../../names";
import type { OwnAddress } from "../own-address";

/** What answers on the LB port of a host: it stops after the virtual IP has left. */
export type Behind = "service" | "forward";

/** The virtual IP of one stack, the same on all load-balancer hosts. */
export interface VirtualIpSettings {
  /** Canonical, of the family of the hosts' own addresses. */
  readonly address: string;
  /** Interface that gets it. Default: the one with the host's own address */
  readonly interface?: string;
  /** VRRP's virtual router id, 1-255; see `derivedRouterId`. */
  readonly routerId: number;
  readonly ports: { readonly lb: number; readonly health: number };
  readonly ownAddress: OwnAddress;
  readonly behind: Behind;
  /**
   * The load-balancer hosts are the control-plane nodes: the backends that the updater reports are
   * peers too. Default: false
   */
  readonly peersAreBackends?: boolean;
}

/** VRRP's timer, in seconds: without advertisements for three of them and a little more, another host takes over. */
export const ADVERTISEMENT_SECONDS = 0.15;

/**
 * The priority of a host in VRRP, 1-253: the sum of these. A host that serves is before one that does
 * not. Of those that serve the holder is first, so nobody takes the address from it. The place
 * among all hosts decides the rest: equal priorities would make two holders for a moment.
 */
export const PRIORITY = { least: 1, firstPlace: 60, holds: 64, serves: 128 } as const;

/** When a host counts as serving, in hundredths of a second: the clock of /proc/uptime. */
export const SERVING = {
  /** Between two requests through the host's own LB port. */
  every: 40,
  /**
   * Time without an answer until a host no longer serves. It is longer for the holder, so that a
   * fault that all hosts share takes the others out first, and the address stays.
   */
  lost: { holder: 100, others: 70 },
  /** The same while connections are refused: nothing listens. */
  refused: { holder: 30, others: 0 },
  /** Another host counts again after answers for this long; the holder at once. */
  regained: 200,
} as const;

/** Time in which keepalived must have run, in hundredths of a second; it wakes for each advertisement. */
export const HANGS_AFTER = { holder: 100, others: 300 } as const;

/** A peer that left the list still gets advertisements for this long: else it would take the address. */
export const FORMER_PEER_SECONDS = 86_400;

/** Units, programs and files of one instance. */
export interface VirtualIpPaths {
  /** Name of the part. */
  readonly part: string;
  /** Name of the part with the configured peers. */
  readonly peersPart: string;
  readonly unit: string;
  readonly watchUnit: string;
  readonly program: string;
  readonly watchProgram: string;
  /** `ROUTER-ID ADDRESS`, for the programs of other instances on the host. */
  readonly identityFile: string;
  /** The configured peers, an address per line. */
  readonly peersFile: string;
  /** Only root writes there; a reboot empties it. */
  readonly runDir: string;
  /** `ADDRESS SECONDS` per line: all peers, and when each was last listed. A reboot keeps it. */
  readonly stateDir: string;
  /** Drop-in of HAProxy's unit. */
  readonly handOverDropIn: string;
}

/** The instance with this LB port. */
export function virtualIpPaths(lbPort: number): VirtualIpPaths {
  const { configDir, libDir, haproxyUnit } = serviceInstance(lbPort);
  return {
    part: `virtual-ip-${lbPort}`,
    peersPart: `virtual-ip-peers-${lbPort}`,
    unit: `${PRODUCT}-virtual-ip-${lbPort}.service`,
    watchUnit: `${PRODUCT}-virtual-ip-watch-${lbPort}.service`,
    program: `${libDir}/virtual-ip`,
    watchProgram: `${libDir}/virtual-ip-watch`,
    identityFile: `${configDir}/virtual-ip`,
    peersFile: `${configDir}/virtual-ip-peers`,
    runDir: `/run/${PRODUCT}-virtual-ip/${lbPort}`,
    stateDir: `/var/lib/${PRODUCT}-virtual-ip/${lbPort}`,
    handOverDropIn: `/etc/systemd/system/${haproxyUnit}.d/virtual-ip.conf`,
  };
}

/**
 * A virtual router id, 1-255. Stacks and addresses differ, so two of them on one network seldom get
 * the same; the hosts see a collision before they start.
 */
export function derivedRouterId(stack: string, address: string): number {
  const hash = createHash("sha256").update(`${stack} ${address}`).digest();
  return 1 + (hash.readUInt32BE(0) % 255);
}
