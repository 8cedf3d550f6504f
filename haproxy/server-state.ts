/**
 * HAProxy's server-state file (management guide, "show servers state", version 1). Without it a
 * server counts as up before its first check: neither 2.6 nor 3.0 has `init-state`. Pure.
 */
import { POOLS, type Pool } from "./config";
import type { Backend } from "./model";
import { slotName } from "./server-lines";

/** Whether a slot's server is up in a pool. */
export type Health = (pool: Pool, slot: number) => boolean;

/** No server gets connections before its first check. */
export const ALL_DOWN: Health = () => false;

/** srv_op_state: SRV_ST_STOPPED and SRV_ST_RUNNING. */
const STOPPED = 0;
const RUNNING = 2;
/** srv_check_state: CHK_ST_CONFIGURED | CHK_ST_ENABLED. */
const CHECKED = 6;
/**
 * srv_check_status and srv_check_result before the first check: HCHK_STATUS_INI, CHK_RES_UNKNOWN.
 */
const INITIAL = "1 0";

/**
 * The state file for these slots. Empty slots have no line: the configuration disables them.
 * HAProxy takes ports from this file, and addresses from the configuration.
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
    // Operational and administrative state, weight, configured weight, seconds since the last
    // change.
    `${up ? RUNNING : STOPPED} 0 1 1 0`,
    // Check: status, result, health counter (HAProxy derives it from the state), flags; agent.
    `${INITIAL} 0 ${CHECKED} 0`,
    // Forced ids, FQDN, port, SRV record, TLS, check port and address, agent address and port.
    `0 0 - ${backend.port} - 0 0 - - 0`,
  ].join(" ");
}
