import { FIRST_UNPRIVILEGED_PORT, UPDATER_USER, type ServiceInstance } from "../../names";
import { hardening } from "../hardening";
import { AT_BOOT, serviceText, unitText, type UnitSection } from "../unit-text";
import { HAPROXY, type ServicePaths } from "./haproxy-paths";

/**
 * HAProxy's unit. It replaces the package's, which is masked: a drop-in would have to undo its root
 * start, its folders and each later change line by line.
 *
 * HAProxy runs as the package's user and in the updater's group: they share sockets and files that
 * are closed to others. It runs unprivileged because the unprivileged updater writes its
 * configuration.
 * @param ports that it listens on: those below 1024 need a capability
 */
export function haproxyUnit(
  paths: ServicePaths,
  programs: readonly string[],
  ports: readonly number[],
): string {
  const { configFile, haproxyProgram, masterSocket } = paths;
  const privileged = ports.some((port) => port < FIRST_UNPRIVILEGED_PORT);
  return serviceText(
    {
      Unit: {
        Description: "HAProxy of the control-plane endpoint",
        Wants: "network-online.target",
        After: "network-online.target",
        Before: "kubelet.service",
        StartLimitIntervalSec: 0,
      },
      Service: {
        Type: "notify",
        User: "haproxy",
        Group: UPDATER_USER,
        EnvironmentFile: `-${paths.addressFile}`,
        // the first one as root, whose folder the address is in
        ExecStartPre: [`+${paths.addressProgram}`, `${haproxyProgram} prepare`],
        ExecStart: `${HAPROXY} -Ws -S ${masterSocket},mode,660 -f ${configFile}`,
        ExecReload: [`${HAPROXY} -c -q -f ${configFile}`, "/bin/kill -USR2 $MAINPID"],
        ExecStopPost: `${haproxyProgram} stopped`,
        KillMode: "mixed",
        KillSignal: "SIGUSR1",
        SuccessExitStatus: 143,
        Restart: "always",
        RestartSec: "100ms",
        TimeoutStartSec: "30s",
        // time for requests in flight: no process takes new connections meanwhile, and a watch
        // never ends by itself
        TimeoutStopSec: "2s",
        CPUWeight: 1000,
        OOMScoreAdjust: -900,
        ...unprivileged(paths, privileged ? ["CAP_NET_BIND_SERVICE"] : []),
      },
      Install: AT_BOOT,
    },
    programs,
  );
}

/** Settings of our services without root. */
export function unprivileged(
  { runDir, updaterDir }: ServiceInstance,
  capabilities: readonly string[] = [],
): UnitSection {
  return {
    ReadWritePaths: `${runDir} ${updaterDir}`,
    AmbientCapabilities: capabilities.join(" "),
    RemoveIPC: "yes",
    // the group reads the files too
    UMask: "0027",
    ...hardening({ capabilities }),
  };
}

/** Waits for the updater's request. */
export function reloadPathUnit(paths: ServicePaths): string {
  const { haproxyUnit, reloadRequest, reloadUnit } = paths;
  return unitText({
    Unit: { Description: `Request for a reload of ${haproxyUnit}`, StartLimitIntervalSec: 0 },
    Path: { PathChanged: reloadRequest, Unit: reloadUnit },
    Install: AT_BOOT,
  });
}

/**
 * Root, because the updater may not reload HAProxy; without capabilities, because PID 1 trusts
 * root's UID. It does nothing else.
 */
export function reloadUnit({ haproxyUnit }: ServicePaths): string {
  return unitText({
    Unit: { Description: `Reload of ${haproxyUnit}`, StartLimitIntervalSec: 0 },
    Service: {
      Type: "oneshot",
      ExecStart: `/usr/bin/systemctl reload ${haproxyUnit}`,
      PrivateNetwork: "yes",
      MemoryDenyWriteExecute: "yes",
      UMask: "0077",
      ...hardening({ addressFamilies: ["AF_UNIX"] }),
    },
  });
}

/**
 * Root, because only root may kill HAProxy's unit; without capabilities, because PID 1 trusts
 * root's UID.
 */
export function watchUnit(paths: ServicePaths, program: string): string {
  const { haproxyUnit, watchProgram } = paths;
  return serviceText(
    {
      Unit: {
        Description: `Watchdog of ${haproxyUnit}`,
        After: haproxyUnit,
        StartLimitIntervalSec: 0,
      },
      Service: {
        ExecStart: watchProgram,
        Restart: "always",
        RestartSec: "1s",
        CPUWeight: 1000,
        OOMScoreAdjust: -900,
        MemoryDenyWriteExecute: "yes",
        UMask: "0077",
        ...hardening(),
      },
      Install: AT_BOOT,
    },
    [program],
  );
}
