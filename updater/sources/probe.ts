/** Runs HAProxy's checks itself, before HAProxy does: at its start, and for a new server. */
import { connect } from "node:net";
import type { Pool } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import { exchange, type ApiServer, type Trust } from "../http";

/** An API server that answers later than this is not fit to start with. */
const TIMEOUT_MS = 2000;

/**
 * The result for each pool. `ready`: `GET /readyz` gave 200. `alive`: `GET /livez/ping` gave any
 * HTTP response. `reachable`: it accepts connections.
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
  const [ready, alive, reachable] = await Promise.all([
    ask("/readyz", token === undefined ? {} : { token }),
    ask("/livez/ping"),
    accepts(backend),
  ]);
  return { ready: ready === 200, alive: alive > 0, reachable };
}

/** Whether an API server accepts a TCP connection. Never throws. */
export function accepts({ address, port }: ApiServer): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: TIMEOUT_MS });
    const end = (result: boolean) => (): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", end(true)).on("timeout", end(false)).on("error", end(false));
  });
}
