import { HAPROXY_UNIT, UPDATER_USER } from "../../names";
import { updaterArguments } from "../../updater/command";
import { ADDRESS_FILE, ADDRESS_PROGRAM } from "../own-address";
import { AT_BOOT, serviceText, unitText } from "../unit-text";
import { unprivileged } from "./haproxy-units";
import {
  TOKEN_ENV_FILE,
  UPDATER_SCRIPT_FILE,
  UPDATER_SETTINGS_FILE,
} from "./host-updater-settings";

const COMMAND = updaterArguments(UPDATER_SCRIPT_FILE, "run", UPDATER_SETTINGS_FILE);

/**
 * The updater's unit. It starts without a token too: then it keeps HAProxy as its files say, and
 * logs that it waits for a token.
 * @param runs texts that it runs and reads; a changed text restarts it
 */
export function updaterUnit(runs: readonly string[]): string {
  return serviceText(
    {
      Unit: {
        Description: "Updater of the control-plane endpoint's HAProxy",
        Wants: "network-online.target",
        After: `network-online.target ${HAPROXY_UNIT}`,
        StartLimitIntervalSec: 0,
      },
      Service: {
        User: UPDATER_USER,
        Group: UPDATER_USER,
        EnvironmentFile: [`-${ADDRESS_FILE}`, `-${TOKEN_ENV_FILE}`],
        // as root, whose folder it is
        ExecStartPre: `+${ADDRESS_PROGRAM}`,
        ExecStart: `/usr/bin/env node ${COMMAND.join(" ")}`,
        SyslogIdentifier: `${UPDATER_USER}-updater`,
        Restart: "always",
        RestartSec: "1s",
        TimeoutStopSec: "5s",
        OOMScoreAdjust: -500,
        ...unprivileged(),
      },
      Install: AT_BOOT,
    },
    runs,
  );
}

/** Drop-in of HAProxy's unit: it changes together with maxConnections in the updater's settings. */
export function limitsDropIn(files: number): string {
  return unitText({ Service: { LimitNOFILE: files } });
}
