/**
 * `/metrics`, `/status`, `/ready` and `/live` on a unix socket; HAProxy's health port has them
 * under `/updater/`.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname } from "node:path";
import type { BackendState, RefusedEntry } from "../../haproxy/model";
import type { DiscoveryMode } from "../settings";
import type { Health } from "./health";

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

/** Serves the texts. Replaces a killed updater's socket. */
export function serveStatus(
  socketPath: string,
  metrics: () => string,
  status: () => UpdaterStatus,
  health: Pick<Health, "notReady" | "notLive">,
): Promise<Server> {
  const server = createServer((request, response) => {
    const put = (code: number, type: string, text: string): void => {
      response.writeHead(code, { "content-type": type });
      response.end(text);
    };
    const answer = (reason: string | undefined): void =>
      put(reason === undefined ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
    if (request.url === "/metrics") put(200, "text/plain; version=0.0.4", metrics());
    else if (request.url === "/status") put(200, "application/json", JSON.stringify(status()));
    else if (request.url === "/ready") answer(health.notReady);
    else if (request.url === "/live") answer(health.notLive);
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
