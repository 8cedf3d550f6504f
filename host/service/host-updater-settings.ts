import type { HaproxySpec } from "../../haproxy/config";
import { HOST_CONFIG_DIR, HOST_LIB_DIR, HOST_RUN_DIR, HOST_UPDATER_DIR } from "../../names";
import {
  haproxySpec,
  updaterSettings,
  type UpdaterChoices,
  type UpdaterSettings,
} from "../../updater/settings";
import type { OwnAddress } from "../own-address";
import { CONFIG_FILE, HAPROXY, MASTER_SOCKET, RELOAD_REQUEST, STATE_FILE } from "./haproxy-paths";

/**
 * How the token reaches the updater: in its environment (a new token restarts it), or in a file.
 */
export type TokenDelivery = "environment" | "file";

/** The updater as a service of one host, outside the cluster. */
export interface UpdaterServiceSettings extends UpdaterChoices {
  readonly ownAddress: OwnAddress;
  /** The updater's bundled script. */
  readonly script: string;
  /** PEM of the cluster's CA: HAProxy does not start without it. */
  readonly caCert: string;
  /** The initial backends, before there is a token: `ADDRESS:PORT` by name. */
  readonly backends: Readonly<Record<string, string>>;
  readonly token: TokenDelivery;
}

export const UPDATER_SCRIPT_FILE = `${HOST_LIB_DIR}/updater.js`;
export const UPDATER_SETTINGS_FILE = `${HOST_CONFIG_DIR}/settings.json`;
export const CA_FILE = `${HOST_CONFIG_DIR}/ca.crt`;

/** One file per backend. */
export const SEED_DIR = `${HOST_CONFIG_DIR}/backends`;

/** `EnvironmentFile=` with the token; only root (systemd) reads it. */
export const TOKEN_ENV_FILE = `${HOST_CONFIG_DIR}/token.env`;
export const TOKEN_VARIABLE = "CONTROL_PLANE_LB_TOKEN";

/** The token as a file, for root and the updater's group. */
export const TOKEN_FILE = `${HOST_CONFIG_DIR}/token`;

const HAPROXY_PLACE = {
  caFile: CA_FILE,
  adminSocket: `${HOST_RUN_DIR}/admin.sock`,
  updaterSocket: `${HOST_RUN_DIR}/updater.sock`,
  stateFile: STATE_FILE,
} as const;

/** haproxy.cfg of a host, apart from the backends. */
export function hostHaproxySpec(haproxy: UpdaterChoices["haproxy"]): HaproxySpec {
  return haproxySpec(HAPROXY_PLACE, haproxy);
}

/** settings.json: the same text on all hosts. */
export function hostUpdaterSettings(settings: UpdaterServiceSettings): UpdaterSettings {
  return updaterSettings(
    {
      haproxy: HAPROXY_PLACE,
      configFile: CONFIG_FILE,
      masterSocket: MASTER_SOCKET,
      lastGoodFile: `${HOST_UPDATER_DIR}/last-good.json`,
      initialBackendsDir: SEED_DIR,
      tokenFile: TOKEN_FILE,
      ...(settings.token === "environment" ? { tokenVariable: TOKEN_VARIABLE } : {}),
      apiCaFile: CA_FILE,
      // No forward serves meanwhile: HAProxy starts after one probe, and its own checks go on.
      prepareWaitSeconds: 0,
      checkCommand: [HAPROXY, "-c", "-q", "-f"],
      reloadRequestFile: RELOAD_REQUEST,
    },
    settings,
  );
}
