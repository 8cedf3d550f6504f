import { updaterSettings, type UpdaterChoices, type UpdaterSettings } from "../updater/settings";
import { checkCommand } from "./binary-script";

/** Folders in the pods. */
export const PATHS = {
  /** The updater's script and settings, read-only. */
  updater: "/opt/control-plane-lb",
  /** haproxy.cfg and other files that outlive a restart of the containers. */
  config: "/etc/haproxy",
  /** Sockets, and files that must not outlive a power cut. */
  run: "/run/haproxy",
  /** The ConfigMap with the backends. */
  initialBackends: "/etc/control-plane-lb/backends",
  /** The ConfigMap with haproxy.cfg, in the variant `mounted`. */
  mounted: "/etc/control-plane-lb/haproxy",
  /** A copy of HAProxy's binary that runs in any image. */
  binary: "/opt/haproxy",
  /** The cluster's CA. */
  ca: "/etc/control-plane-lb/ca",
  /** The updater's token. */
  token: "/var/run/secrets/control-plane-lb",
} as const;

export const UPDATER_SCRIPT = "updater.js";
export const UPDATER_SETTINGS = "settings.json";

/** The paths in the pods' haproxy.cfg, in both variants. */
export const POD_HAPROXY = {
  caFile: `${PATHS.ca}/ca.crt`,
  adminSocket: `${PATHS.run}/admin.sock`,
  // In memory: after a power cut the servers' health is unknown.
  stateFile: `${PATHS.run}/server-state`,
} as const;

/**
 * settings.json of the pods: one text for all control-plane nodes.
 * @param checkConfig whether HAProxy's own binary checks haproxy.cfg
 * @param ownBackend whether the node's own API server is a backend from the start. @default false
 */
export function podUpdaterSettings(
  choices: UpdaterChoices,
  checkConfig: boolean,
  ownBackend = false,
): UpdaterSettings {
  return updaterSettings(
    {
      haproxy: { ...POD_HAPROXY, updaterSocket: `${PATHS.run}/updater.sock` },
      configFile: `${PATHS.config}/haproxy.cfg`,
      masterSocket: `${PATHS.run}/master.sock`,
      lastGoodFile: `${PATHS.config}/last-good.json`,
      initialBackendsDir: PATHS.initialBackends,
      ...(ownBackend ? { ownBackend } : {}),
      tokenFile: `${PATHS.token}/token`,
      apiCaFile: POD_HAPROXY.caFile,
      ...(checkConfig ? { checkCommand: checkCommand(PATHS.binary) } : {}),
    },
    choices,
  );
}
