/** Runs HAProxy's two checks itself, before HAProxy does: at its start, and for a new server. */
import type { Pool } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import { exchange, type Trust } from "../http";

/** An API server that answers later than this is not fit to start with. */
const TIMEOUT_MS = 2000;

/**
 * The result for each pool. `ready`: `GET /readyz` gave 200. `alive`: `GET /livez/ping` gave any
 * HTTP response.
 */
export type ProbeResult = Readonly<Record<Pool, boolean>>;

/** @param token for `/readyz`. Never throws. */
export async function probeBackend(
  backend: Backend,
  trust: Trust,
  token?: string,
): Promise<ProbeResult> {
  const ask = (path: string, credentials: { readonly token?: string } = {}): Promise<number> =>
    exchange(backend, trust, { method: "GET", path, timeoutMs: TIMEOUT_MS, ...credentials }).then(
      ({ status }) => status,
      () => 0,
    );
  const [ready, alive] = await Promise.all([
    ask("/readyz", token === undefined ? {} : { token }),
    ask("/livez/ping"),
  ]);
  return { ready: ready === 200, alive: alive > 0 };
}
