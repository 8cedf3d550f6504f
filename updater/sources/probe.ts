/** Asks a backend what HAProxy's checks ask, where one must know before they do: HAProxy has not started, or has just learnt of the server. */
import type { Backend } from "../../haproxy/model";
import { exchange, type Trust } from "./http";

/** An API server under load answers within this, or is no good for a start. */
const TIMEOUT_MS = 2000;

/** What a backend said. */
export interface Verdict {
  /** `GET /readyz` gave 200. */
  readonly ready: boolean;
  /** `GET /livez/ping` gave any HTTP answer. */
  readonly alive: boolean;
}

/** The same two questions as HAProxy's pools `ready` and `alive`, the first with the token if there is one. Never throws. */
export async function probeBackend(
  backend: Backend,
  trust: Trust,
  token?: string,
): Promise<Verdict> {
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
