import { UPDATER_USER } from "../../names";
import { updaterArguments } from "../../updater/command";
import { AT_BOOT, serviceText, unitText } from "../unit-text";
import type { ServicePaths } from "./haproxy-paths";
import { unprivileged } from "./haproxy-units";

/**
 * The updater's unit. It starts without a token too: then it keeps HAProxy as its files say, and
 * logs that it waits for a token.
 * @param runs texts that it runs and reads; a changed text restarts it
 */
export function updaterUnit(paths: ServicePaths, runs: readonly string[]): string {
  const command = updaterArguments(paths.updaterScript, "run", paths.updaterSettings);
  return serviceText(
    {
      Unit: {
        Description: "Updater of the control-plane endpoint's HAProxy",
        Wants: "network-online.target",
        After: `network-online.target ${paths.haproxyUnit}`,
        StartLimitIntervalSec: 0,
      },
      Service: {
        User: UPDATER_USER,
        Group: UPDATER_USER,
        EnvironmentFile: [`-${paths.addressFile}`, `-${paths.tokenEnvFile}`],
        // as root, whose folder it is
        ExecStartPre: `+${paths.addressProgram}`,
        ExecStart: `/usr/bin/env node ${command.join(" ")}`,
        SyslogIdentifier: `${UPDATER_USER}-updater`,
        Restart: "always",
        RestartSec: "1s",
        TimeoutStopSec: "5s",
        OOMScoreAdjust: -500,
        ...unprivileged(paths),
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
