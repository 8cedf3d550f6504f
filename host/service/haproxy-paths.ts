import { checkTokenFile } from "../../haproxy/spec";
import { HAPROXY_UNIT, HOST_LIB_DIR, HOST_RUN_DIR, HOST_UPDATER_DIR, PRODUCT } from "../../names";
import type { OwnAddress } from "../forward/forward-settings";

/** HAProxy as a service of one host, outside of the cluster. */
export interface HaproxyServiceSettings {
  /** The host's address, on which HAProxy listens. Only checks use it: files and units are the same on all hosts. */
  readonly address: string;
  readonly ports: { readonly lb: number; readonly health: number };
  readonly ownAddress: OwnAddress;
  /** A haproxy.cfg of somebody else is put aside, and put back on removal. False: it is refused. */
  readonly takeOver: boolean;
}

/** Where HAProxy's configuration stands for operators: a link to CONFIG_FILE. */
export const CONFIG_LINK = "/etc/haproxy/haproxy.cfg";

/** What the updater writes and HAProxy reads. */
export const CONFIG_FILE = `${HOST_UPDATER_DIR}/haproxy.cfg`;

/** Socket of HAProxy's master process. */
export const MASTER_SOCKET = `${HOST_RUN_DIR}/master.sock`;

/** Health of the servers across a restart. */
export const STATE_FILE = `${HOST_RUN_DIR}/server-state`;

/** Token of the checks, where they carry one: the updater writes it, HAProxy reads it as one of the updater's group. */
export const CHECK_TOKEN_FILE = checkTokenFile({ stateFile: STATE_FILE });

/** `HOST_IP=...` of this host, found when a service starts. */
export const ADDRESS_FILE = `${HOST_RUN_DIR}/address.env`;

/** Writing it asks root to reload HAProxy. */
export const RELOAD_REQUEST = `${HOST_RUN_DIR}/reload-request`;

/** Units that turn the request into `systemctl reload`. */
export const RELOAD_PATH_UNIT = `${PRODUCT}-haproxy-reload.path`;
export const RELOAD_UNIT = `${PRODUCT}-haproxy-reload.service`;

/** Writes ADDRESS_FILE. */
export const ADDRESS_PROGRAM = `${HOST_LIB_DIR}/own-address`;

/** Ends a HAProxy that hangs. */
export const WATCH_UNIT = `${PRODUCT}-haproxy-watch.service`;
export const WATCH_PROGRAM = `${HOST_LIB_DIR}/haproxy-watch`;

/** What runs before HAProxy starts, and after it has stopped. */
export const HAPROXY_PROGRAM = `${HOST_LIB_DIR}/haproxy-service`;

/** The HAProxy that runs, checks and is checked: the package's. */
export const HAPROXY = "/usr/sbin/haproxy";

export { HAPROXY_UNIT };
