/**
 * `/metrics`, `/status`, `/ready` and `/live` on a unix socket; HAProxy's health port has them
 * under `/updater/`.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname } from "node:path";
import type { BackendState, RefusedEntry } from "../../haproxy/model";
import type { DiscoveryMode } from "../settings";

/** The JSON of `/status`. */
export interface UpdaterStatus {
  /** Seconds since API servers last confirmed all sources of the backends; null: not yet. */
  readonly lastSyncSeconds: number | null;
  /** There is no token: HAProxy serves with the backends that it has. */
  readonly waitingForToken: boolean;
  /** Fingerprint of the token of the last sync; null: not yet. */
  readonly token: string | null;
  /** resourceVersion of the last applied change; empty before the first one. */
  readonly revision: string;
  readonly backends: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly state: BackendState;
  }[];
  readonly refused: readonly RefusedEntry[];
  /** All problems that last, as `REASON: text` with the reason of the Event. */
  readonly problems: readonly string[];
  /** The sources of the backends. */
  readonly discovery: DiscoveryMode;
  /** Backends that have left the EndpointSlice, and how long ago. */
  readonly outOfSlice: readonly { readonly name: string; readonly seconds: number }[];
}

/** What the socket serves. */
export interface StatusPages {
  readonly metrics: () => string;
  readonly status: () => UpdaterStatus;
  /** Why this updater is not ready, undefined if it is: 503 or 200. */
  readonly notReady: () => string | undefined;
  /** Why this updater must be restarted, undefined if it need not. */
  readonly notLive: () => string | undefined;
}

/** Serves the pages. Replaces a killed updater's socket. */
export function serveStatus(socketPath: string, pages: StatusPages): Promise<Server> {
  const server = createServer((request, response) => {
    const put = (code: number, type: string, text: string): void => {
      response.writeHead(code, { "content-type": type });
      response.end(text);
    };
    const putVerdict = (reason: string | undefined): void =>
      put(reason === undefined ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
    if (request.url === "/metrics") put(200, "text/plain; version=0.0.4", pages.metrics());
    else if (request.url === "/status")
      put(200, "application/json", JSON.stringify(pages.status()));
    else if (request.url === "/ready") putVerdict(pages.notReady());
    else if (request.url === "/live") putVerdict(pages.notLive());
    else put(404, "text/plain", "not found\n");
  });
  mkdirSync(dirname(socketPath), { recursive: true });
  rmSync(socketPath, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, () => {
      chmodSync(socketPath, 0o660);
      resolve(server);
    });
  });
}
