/** The servers' states from HAProxy's Prometheus exporter (`haproxy_server_status`). Pure. */
import type { Pool } from "./config";
import type { Backend } from "./model";
import { parseServerName } from "./server-name";

/** A backend with the state that HAProxy sees. */
export interface SeenBackend extends Backend {
  readonly state: "ready" | "alive" | "down";
}

const STATUS = /^haproxy_server_status\{proxy="([^"]*)",server="([^"]*)",state="UP"\} ([01])/gm;

/** The backends in HAProxy's order; omits servers that are not named after a backend. */
export function parseServerStates(metrics: string): SeenBackend[] {
  const pools = new Map<string, Map<string, boolean>>();
  for (const [, pool = "", server = "", up] of metrics.matchAll(STATUS)) {
    const seen = pools.get(pool) ?? new Map<string, boolean>();
    pools.set(pool, seen.set(server, up === "1"));
  }
  const isUp = (pool: Pool, server: string): boolean => pools.get(pool)?.get(server) ?? false;
  return [...(pools.get("ready" satisfies Pool)?.keys() ?? [])].flatMap((server) => {
    const backend = parseServerName(server);
    if (backend === undefined) return [];
    const state = isUp("ready", server) ? "ready" : isUp("alive", server) ? "alive" : "down";
    return [{ ...backend, state }];
  });
}
