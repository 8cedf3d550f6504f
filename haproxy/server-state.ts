/**
 * HAProxy's server-state file (management guide, "show servers state", version 1). HAProxy takes a server as up before its
 * first check, and neither 2.6 nor 3.0 has `init-state`: what this file says is what holds until the first check. Pure.
 */
import { POOLS, type Pool } from "./config";
import type { Backend } from "./model";
import { slotName } from "./server-lines";

/** Whether a slot's server is up in a pool. */
export type Health = (pool: Pool, slot: number) => boolean;

/** No server has passed a check: nothing is sent to it before it has. */
export const ALL_DOWN: Health = () => false;

/** srv_op_state: SRV_ST_STOPPED and SRV_ST_RUNNING. */
const STOPPED = 0;
const RUNNING = 2;
/** srv_check_state: CHK_ST_CONFIGURED | CHK_ST_ENABLED. */
const CHECKED = 6;
/** srv_check_status and srv_check_result: HCHK_STATUS_INI and CHK_RES_UNKNOWN, as before the first check. */
const INITIAL = "1 0";

/**
 * The state file for a configuration with these slots. Empty slots have no line: the configuration's `disabled` holds.
 * Addresses come from the configuration (HAProxy ignores the file's for servers without a host name), ports from here.
 */
export function renderServerState(slots: readonly (Backend | undefined)[], up: Health): string {
  const lines = POOLS.flatMap((pool) =>
    slots.flatMap((backend, slot) =>
      backend === undefined ? [] : [renderLine(pool, slot, backend, up(pool, slot))],
    ),
  );
  return ["1", ...lines, ""].join("\n");
}

/** Fields in the order of `show servers state`; HAProxy finds the server by the two names. */
function renderLine(pool: Pool, slot: number, backend: Backend, up: boolean): string {
  const backendId = POOLS.indexOf(pool) + 1;
  return [
    `${backendId} ${pool} ${slot + 1} ${slotName(slot)} ${backend.address}`,
    // Operational state, administrative state, weight now and as configured, seconds since the last change.
    `${up ? RUNNING : STOPPED} 0 1 1 0`,
    // Check: status, result, health counter (derived from the state by HAProxy), flags; agent.
    `${INITIAL} 0 ${CHECKED} 0`,
    // Forced ids, FQDN, port, SRV record, TLS to the server, check port and address, agent address and port.
    `0 0 - ${backend.port} - 0 0 - - 0`,
  ].join(" ");
}
