import { HAPROXY_UNIT, HOST_RUN_DIR, HOST_UPDATER_DIR, UPDATER_USER } from "../../names";
import { HARDENING } from "../hardening";
import { DIGEST_LINE, unitWithDigest } from "../services";
import {
  ADDRESS_FILE,
  CONFIG_LINK,
  HAPROXY,
  HAPROXY_PROGRAM,
  MASTER_SOCKET,
  RELOAD_REQUEST,
  RELOAD_UNIT,
  WATCH_PROGRAM,
} from "./haproxy-paths";

/**
 * The unit of HAProxy: a unit of our own instead of a drop-in over the package's, whose root start, folders and later changes we would
 * have to undo line by line; the package's own is masked meanwhile.
 *
 * HAProxy runs as the package's user and in the updater's group: sockets and files are shared by the group, none is open to others.
 * It does not read what root would trust: who writes its configuration is the unprivileged updater.
 */
export function haproxyUnit(programs: readonly string[]): string {
  return unitWithDigest(
    [
      "[Unit]",
      "Description=HAProxy of the control-plane endpoint",
      "Wants=network-online.target",
      "After=network-online.target",
      "Before=kubelet.service",
      "StartLimitIntervalSec=0",
      "",
      "[Service]",
      "Type=notify",
      "User=haproxy",
      `Group=${UPDATER_USER}`,
      DIGEST_LINE,
      `EnvironmentFile=-${ADDRESS_FILE}`,
      `ExecStartPre=${HAPROXY_PROGRAM} prepare`,
      `ExecStart=${HAPROXY} -Ws -S ${MASTER_SOCKET},mode,660 -f ${CONFIG_LINK}`,
      `ExecReload=${HAPROXY} -c -q -f ${CONFIG_LINK}`,
      "ExecReload=/bin/kill -USR2 $MAINPID",
      `ExecStopPost=${HAPROXY_PROGRAM} stopped`,
      "KillMode=mixed",
      "KillSignal=SIGUSR1",
      "SuccessExitStatus=143",
      "Restart=always",
      "RestartSec=100ms",
      "TimeoutStartSec=30s",
      // nobody takes new connections while it stops, and a watch never ends by itself: requests under way have this long
      "TimeoutStopSec=2s",
      "CPUWeight=1000",
      "OOMScoreAdjust=-900",
      ...UNPRIVILEGED,
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ],
    programs,
  );
}

/** What our services without root have in common. */
export const UNPRIVILEGED: readonly string[] = [
  `ReadWritePaths=${HOST_RUN_DIR} ${HOST_UPDATER_DIR}`,
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "RemoveIPC=yes",
  // files are for the group too
  "UMask=0027",
  ...HARDENING,
];

/** Waits for the updater's request. */
export function reloadPathUnit(): string {
  return `[Unit]
Description=Request for a reload of ${HAPROXY_UNIT}
StartLimitIntervalSec=0

[Path]
PathChanged=${RELOAD_REQUEST}
Unit=${RELOAD_UNIT}

[Install]
WantedBy=multi-user.target
`;
}

/** The only part with root: it can reload HAProxy, which the updater may not, and nothing else. No capability: PID 1 takes root's word. */
export function reloadUnit(): string {
  return `${[
    "[Unit]",
    `Description=Reload of ${HAPROXY_UNIT}`,
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=oneshot",
    `ExecStart=/usr/bin/systemctl reload ${HAPROXY_UNIT}`,
    "CapabilityBoundingSet=",
    "PrivateNetwork=yes",
    "MemoryDenyWriteExecute=yes",
    "UMask=0077",
    ...HARDENING.filter((line) => !line.startsWith("RestrictAddressFamilies=")),
    "RestrictAddressFamilies=AF_UNIX",
  ].join("\n")}\n`;
}

/** Root, as only root may kill HAProxy's unit; no capability: PID 1 takes root's word. */
export function watchUnit(program: string): string {
  return unitWithDigest(
    [
      "[Unit]",
      `Description=Watch over ${HAPROXY_UNIT}`,
      `After=${HAPROXY_UNIT}`,
      "StartLimitIntervalSec=0",
      "",
      "[Service]",
      DIGEST_LINE,
      `ExecStart=${WATCH_PROGRAM}`,
      "Restart=always",
      "RestartSec=1s",
      "CPUWeight=1000",
      "OOMScoreAdjust=-900",
      "CapabilityBoundingSet=",
      "MemoryDenyWriteExecute=yes",
      "UMask=0077",
      ...HARDENING,
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ],
    [program],
  );
}

/** tmpfiles.d: the folders that HAProxy and the updater share, there before either starts. */
export function sharedFolders(): string {
  return `d ${HOST_RUN_DIR} 0770 root ${UPDATER_USER} -
d ${HOST_UPDATER_DIR} 0770 ${UPDATER_USER} ${UPDATER_USER} -
`;
}
