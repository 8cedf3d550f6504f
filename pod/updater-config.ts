import type { HaproxySpec } from "../haproxy/config";
import { BACKENDS_CONFIG_MAP, NAMESPACE } from "../names";
import type { UpdaterSettings } from "../updater/settings";
import { checkCommand } from "./binary-script";

/** Folders in the pods. */
export const PATHS = {
  /** The updater's script and settings, read-only. */
  updater: "/opt/control-plane-lb",
  /** haproxy.cfg and what must outlive a restart of the containers. */
  config: "/etc/haproxy",
  /** Sockets, and what must not outlive a power cut. */
  run: "/run/haproxy",
  /** The ConfigMap with the backends. */
  seed: "/etc/control-plane-lb/backends",
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

/** What of the pods' settings operators choose. */
export interface PodSettings extends Pick<
  UpdaterSettings,
  "apiPort" | "discovery" | "drainSeconds" | "retainSeconds"
> {
  readonly haproxy: Pick<
    HaproxySpec,
    "port" | "healthPort" | "preStopHandover" | "allow" | "maxConnections" | "timeouts" | "checks"
  >;
}

/** What the pods' haproxy.cfg says in both variants, apart from PodSettings. */
export const POD_HAPROXY = {
  listen: ["${HOST_IP}"],
  caFile: `${PATHS.ca}/ca.crt`,
  adminSocket: `${PATHS.run}/admin.sock`,
  // after a power cut nothing is known of the servers' health
  stateFile: `${PATHS.run}/server-state`,
} as const;

/** settings.json for the pods: one text for all control-plane nodes, `${HOST_IP}` is the node's own address. */
export function updaterSettings(pods: PodSettings, checkConfig: boolean): UpdaterSettings {
  const { apiPort, discovery, drainSeconds, retainSeconds, haproxy } = pods;
  return {
    namespace: NAMESPACE,
    configMap: BACKENDS_CONFIG_MAP,
    discovery,
    haproxy: {
      ...POD_HAPROXY,
      updaterSocket: `${PATHS.run}/updater.sock`,
      ...haproxy,
    },
    configFile: `${PATHS.config}/haproxy.cfg`,
    masterSocket: `${PATHS.run}/master.sock`,
    lastGoodFile: `${PATHS.config}/last-good.json`,
    seedDir: PATHS.seed,
    tokenFile: `${PATHS.token}/token`,
    apiCaFile: `${PATHS.ca}/ca.crt`,
    apiPort,
    apiServerName: "kubernetes",
    localAddress: "${HOST_IP}",
    drainSeconds,
    retainSeconds,
    ...(checkConfig ? { checkCommand: checkCommand(PATHS.binary) } : {}),
  };
}
