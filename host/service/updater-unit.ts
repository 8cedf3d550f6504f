import { HAPROXY_UNIT, UPDATER_USER } from "../../names";
import { updaterArguments } from "../../updater/command";
import { ADDRESS_FILE, ADDRESS_PROGRAM } from "./haproxy-paths";
import { UNPRIVILEGED } from "./haproxy-units";
import { DIGEST_LINE, unitWithDigest } from "../services";
import {
  TOKEN_ENV_FILE,
  UPDATER_SCRIPT_FILE,
  UPDATER_SETTINGS_FILE,
} from "./host-updater-settings";

const COMMAND = updaterArguments(UPDATER_SCRIPT_FILE, "run", UPDATER_SETTINGS_FILE);

/**
 * The unit of the updater. It needs no token to start: without one it keeps HAProxy as the files say, and says that it waits.
 * @param runs what it runs and reads: another text is another start
 */
export function updaterUnit(runs: readonly string[]): string {
  return unitWithDigest(
    [
      "[Unit]",
      "Description=Updater of the control-plane endpoint's HAProxy",
      "Wants=network-online.target",
      `After=network-online.target ${HAPROXY_UNIT}`,
      "StartLimitIntervalSec=0",
      "",
      "[Service]",
      `User=${UPDATER_USER}`,
      `Group=${UPDATER_USER}`,
      DIGEST_LINE,
      `EnvironmentFile=-${ADDRESS_FILE}`,
      `EnvironmentFile=-${TOKEN_ENV_FILE}`,
      `ExecStartPre=${ADDRESS_PROGRAM}`,
      `ExecStart=/usr/bin/env node ${COMMAND.join(" ")}`,
      `SyslogIdentifier=${UPDATER_USER}-updater`,
      "Restart=always",
      "RestartSec=1s",
      "TimeoutStopSec=5s",
      "OOMScoreAdjust=-500",
      ...UNPRIVILEGED,
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ],
    runs,
  );
}

/** Drop-in of HAProxy's unit: it changes together with maxConnections in the settings. */
export function limitsDropIn(files: number): string {
  return `[Service]
# two for each connection, and HAProxy's own
LimitNOFILE=${files}
`;
}
