import { checkTokenFile } from "../../haproxy/spec";
import { HOST_LIB_DIR, HOST_RUN_DIR, HOST_UPDATER_DIR, PRODUCT } from "../../names";

/** HAProxy's configuration where operators look for it: a link to CONFIG_FILE. */
export const CONFIG_LINK = "/etc/haproxy/haproxy.cfg";

/** What the updater writes and HAProxy reads. */
export const CONFIG_FILE = `${HOST_UPDATER_DIR}/haproxy.cfg`;

/** Socket of HAProxy's master process. */
export const MASTER_SOCKET = `${HOST_RUN_DIR}/master.sock`;

/** Health of the servers, kept across a restart. */
export const STATE_FILE = `${HOST_RUN_DIR}/server-state`;

/**
 * Token of the checks, if they carry one: the updater writes it, HAProxy reads it through the
 * updater's group.
 */
export const CHECK_TOKEN_FILE = checkTokenFile({ stateFile: STATE_FILE });

/** The updater writes it to request a reload, which root performs. */
export const RELOAD_REQUEST = `${HOST_RUN_DIR}/reload-request`;

/** Units that turn the request into `systemctl reload`. */
export const RELOAD_PATH_UNIT = `${PRODUCT}-haproxy-reload.path`;
export const RELOAD_UNIT = `${PRODUCT}-haproxy-reload.service`;

/** Kills a HAProxy that hangs. */
export const WATCH_UNIT = `${PRODUCT}-haproxy-watch.service`;
export const WATCH_PROGRAM = `${HOST_LIB_DIR}/haproxy-watch`;

/** Runs before HAProxy starts, and after it has stopped. */
export const HAPROXY_PROGRAM = `${HOST_LIB_DIR}/haproxy-service`;

/** The package's HAProxy. */
export const HAPROXY = "/usr/sbin/haproxy";
