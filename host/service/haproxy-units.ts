import {
  FIRST_UNPRIVILEGED_PORT,
  HAPROXY_UNIT,
  HOST_RUN_DIR,
  HOST_UPDATER_DIR,
  UPDATER_USER,
} from "../../names";
import { hardening } from "../hardening";
import { ADDRESS_FILE, ADDRESS_PROGRAM } from "../own-address";
import { AT_BOOT, serviceText, unitText, type UnitSection } from "../unit-text";
import {
  CONFIG_LINK,
  HAPROXY,
  HAPROXY_PROGRAM,
  MASTER_SOCKET,
  RELOAD_REQUEST,
  RELOAD_UNIT,
  WATCH_PROGRAM,
} from "./haproxy-paths";

/**
 * HAProxy's unit. It replaces the package's, which is masked: a drop-in would have to undo its root
 * start, its folders and each later change line by line.
 *
 * HAProxy runs as the package's user and in the updater's group: they share sockets and files that
 * are closed to others. It runs unprivileged because the unprivileged updater writes its
 * configuration.
 * @param ports that it listens on: those below 1024 need a capability
 */
export function haproxyUnit(programs: readonly string[], ports: readonly number[]): string {
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
        EnvironmentFile: `-${ADDRESS_FILE}`,
        // the first one as root, whose folder the address is in
        ExecStartPre: [`+${ADDRESS_PROGRAM}`, `${HAPROXY_PROGRAM} prepare`],
        ExecStart: `${HAPROXY} -Ws -S ${MASTER_SOCKET},mode,660 -f ${CONFIG_LINK}`,
        ExecReload: [`${HAPROXY} -c -q -f ${CONFIG_LINK}`, "/bin/kill -USR2 $MAINPID"],
        ExecStopPost: `${HAPROXY_PROGRAM} stopped`,
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
        ...unprivileged(privileged ? ["CAP_NET_BIND_SERVICE"] : []),
      },
      Install: AT_BOOT,
    },
    programs,
  );
}

/** Settings of our services without root. */
export function unprivileged(capabilities: readonly string[] = []): UnitSection {
  return {
    ReadWritePaths: `${HOST_RUN_DIR} ${HOST_UPDATER_DIR}`,
    AmbientCapabilities: capabilities.join(" "),
    RemoveIPC: "yes",
    // the group reads the files too
    UMask: "0027",
    ...hardening({ capabilities }),
  };
}

/** Waits for the updater's request. */
export function reloadPathUnit(): string {
  return unitText({
    Unit: { Description: `Request for a reload of ${HAPROXY_UNIT}`, StartLimitIntervalSec: 0 },
    Path: { PathChanged: RELOAD_REQUEST, Unit: RELOAD_UNIT },
    Install: AT_BOOT,
  });
}

/**
 * Root, because the updater may not reload HAProxy; without capabilities, because PID 1 trusts
 * root's UID. It does nothing else.
 */
export function reloadUnit(): string {
  return unitText({
    Unit: { Description: `Reload of ${HAPROXY_UNIT}`, StartLimitIntervalSec: 0 },
    Service: {
      Type: "oneshot",
      ExecStart: `/usr/bin/systemctl reload ${HAPROXY_UNIT}`,
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
export function watchUnit(program: string): string {
  return serviceText(
    {
      Unit: {
        Description: `Watchdog of ${HAPROXY_UNIT}`,
        After: HAPROXY_UNIT,
        StartLimitIntervalSec: 0,
      },
      Service: {
        ExecStart: WATCH_PROGRAM,
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
