import { API_SERVER_NAME, type HaproxySpec } from "../../haproxy/spec";
import {
  BACKENDS_CONFIG_MAP,
  HOST_CONFIG_DIR,
  HOST_LIB_DIR,
  HOST_RUN_DIR,
  HOST_UPDATER_DIR,
  NAMESPACE,
} from "../../names";
import type { DiscoveryMode, UpdaterSettings } from "../../updater/settings";
import type { OwnAddress } from "../own-address";
import { CONFIG_FILE, HAPROXY, MASTER_SOCKET, RELOAD_REQUEST, STATE_FILE } from "./haproxy-paths";

/** How the token reaches the updater: in its environment (another one means a restart), or in a file that it reads again and again. */
export type TokenDelivery = "environment" | "file";

/** The updater as a service of one host, outside of the cluster. */
export interface UpdaterServiceSettings {
  readonly ownAddress: OwnAddress;
  /** The updater's bundled script. */
  readonly script: string;
  /** PEM of the cluster's CA: HAProxy does not start without it. */
  readonly caCert: string;
  /** The first backends, before any token is there: `ADDRESS:PORT` by name. */
  readonly backends: Readonly<Record<string, string>>;
  readonly haproxy: Pick<
    HaproxySpec,
    "port" | "healthPort" | "allow" | "maxConnections" | "timeouts" | "checks"
  >;
  readonly apiPort: number;
  readonly discovery: DiscoveryMode;
  readonly drainSeconds: number;
  readonly retainSeconds: number;
  readonly token: TokenDelivery;
}

export const UPDATER_SCRIPT_FILE = `${HOST_LIB_DIR}/updater.js`;
export const UPDATER_SETTINGS_FILE = `${HOST_CONFIG_DIR}/settings.json`;
export const CA_FILE = `${HOST_CONFIG_DIR}/ca.crt`;

/** One file per backend. */
export const SEED_DIR = `${HOST_CONFIG_DIR}/backends`;

/** `EnvironmentFile=` with the token, which only root reads: systemd does. */
export const TOKEN_ENV_FILE = `${HOST_CONFIG_DIR}/token.env`;
export const TOKEN_VARIABLE = "CONTROL_PLANE_LB_TOKEN";

/** The token as a file, for root and the updater's group. */
export const TOKEN_FILE = `${HOST_CONFIG_DIR}/token`;

/** settings.json, the same text on all hosts: `${HOST_IP}` is the host's own address. */
export function hostUpdaterSettings(settings: UpdaterServiceSettings): UpdaterSettings {
  return {
    namespace: NAMESPACE,
    configMap: BACKENDS_CONFIG_MAP,
    discovery: settings.discovery,
    haproxy: {
      listen: ["${HOST_IP}"],
      caFile: CA_FILE,
      adminSocket: `${HOST_RUN_DIR}/admin.sock`,
      updaterSocket: `${HOST_RUN_DIR}/updater.sock`,
      stateFile: STATE_FILE,
      ...settings.haproxy,
    },
    configFile: CONFIG_FILE,
    masterSocket: MASTER_SOCKET,
    lastGoodFile: `${HOST_UPDATER_DIR}/last-good.json`,
    seedDir: SEED_DIR,
    tokenFile: TOKEN_FILE,
    ...(settings.token === "environment" ? { tokenVariable: TOKEN_VARIABLE } : {}),
    apiCaFile: CA_FILE,
    apiPort: settings.apiPort,
    apiServerName: API_SERVER_NAME,
    localAddress: "${HOST_IP}",
    drainSeconds: settings.drainSeconds,
    retainSeconds: settings.retainSeconds,
    // no forward serves meanwhile: one look, and HAProxy's own checks do the rest
    prepareWaitSeconds: 0,
    checkCommand: [HAPROXY, "-c", "-q", "-f"],
    reloadRequestFile: RELOAD_REQUEST,
  };
}
