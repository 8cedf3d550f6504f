import { FORWARD_UNIT, serviceInstance } from "../../names";
import { RULES_UNIT } from "../forward/forward-settings";
import { hardening } from "../hardening";
import { AT_BOOT, serviceText, unitText } from "../unit-text";
import { virtualIpPaths, type VirtualIpSettings } from "./virtual-ip-settings";

/** A real-time process that never waits would take a processor: it is killed. */
const REAL_TIME_LIMIT = "2s";

/**
 * The unit of keepalived. It starts after what serves the LB port, and so stops before it: the
 * address leaves first. The package's own unit and keepalived.conf are not used.
 */
export function keepalivedUnit(settings: VirtualIpSettings, program: string): string {
  const { address, ports, behind } = settings;
  const paths = virtualIpPaths(ports.lb);
  const serving =
    behind === "service" ? serviceInstance(ports.lb).haproxyUnit : `${FORWARD_UNIT} ${RULES_UNIT}`;
  return serviceText(
    {
      Unit: {
        Description: `Virtual IP ${address} of the control-plane endpoint`,
        Wants: "network-online.target",
        After: `network-online.target ${serving}`,
        Before: "kubelet.service",
        StartLimitIntervalSec: 0,
      },
      Service: {
        ExecStartPre: `${paths.program} prepare`,
        ExecStart: `${paths.program} run`,
        ExecReload: [`${paths.program} configure`, "/bin/kill -HUP $MAINPID"],
        ExecStop: `${paths.program} drain`,
        ExecStopPost: `${paths.program} stopped`,
        Restart: "always",
        RestartSec: "100ms",
        TimeoutStartSec: "30s",
        TimeoutStopSec: "3s",
        CPUWeight: 1000,
        OOMScoreAdjust: -900,
        LimitRTTIME: REAL_TIME_LIMIT,
        ReadWritePaths: `${paths.runDir} ${paths.stateDir}`,
        ...hardening({
          capabilities: ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_NICE"],
          addressFamilies: ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"],
        }),
        RestrictRealtime: "no",
        MemoryDenyWriteExecute: "yes",
        UMask: "0022",
      },
      Install: AT_BOOT,
    },
    [program],
  );
}

/** Root, because only root may kill the unit of keepalived; with a real-time priority and nothing else. */
export function watchUnit(settings: VirtualIpSettings, programs: readonly string[]): string {
  const { address, ports } = settings;
  const { unit, program, runDir, stateDir } = virtualIpPaths(ports.lb);
  return serviceText(
    {
      Unit: {
        Description: `Watchdog of the virtual IP ${address}, and whether this host serves`,
        After: unit,
        StartLimitIntervalSec: 0,
      },
      Service: {
        ExecStart: `${program} watch`,
        Restart: "always",
        RestartSec: "100ms",
        TimeoutStopSec: "2s",
        CPUWeight: 1000,
        OOMScoreAdjust: -900,
        LimitRTTIME: REAL_TIME_LIMIT,
        ReadWritePaths: `${runDir} ${stateDir}`,
        MemoryDenyWriteExecute: "yes",
        UMask: "0022",
        ...hardening({ capabilities: ["CAP_SYS_NICE"] }),
        RestrictRealtime: "no",
      },
      Install: AT_BOOT,
    },
    programs,
  );
}

/** Drop-in of HAProxy's unit: before an orderly stop the address leaves the host. */
export function handOverDropIn(lbPort: number): string {
  // as root, whose folder it writes to; without the program HAProxy just stops
  return unitText({ Service: { ExecStop: `-+${virtualIpPaths(lbPort).program} hand-over` } });
}
