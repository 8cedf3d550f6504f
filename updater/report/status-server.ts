/** `/metrics` and `/status` on a unix socket; HAProxy's health port shows them under `/updater/`. */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname } from "node:path";
import type { Refused } from "../../haproxy/model";
import type { BackendState } from "../apply/health";
import type { DiscoveryMode } from "../settings";

/** What `/status` gives. */
export interface UpdaterStatus {
  /** Seconds since API servers last confirmed the backends (of two sources the longer time); null: not yet. */
  readonly lastSyncSeconds: number | null;
  /** There is no token yet: HAProxy goes on with the backends that it has. */
  readonly waitingForToken: boolean;
  /** Fingerprint of the token that the last sync was made with; null: not yet. */
  readonly token: string | null;
  /** resourceVersion of the object whose change was applied last; empty before the first one. */
  readonly revision: string;
  readonly backends: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly state: BackendState;
  }[];
  readonly refused: readonly Refused[];
  /** What keeps files or HAProxy from being as wanted, with the reason of its Event. */
  readonly problems: readonly string[];
  /** Where the backends come from. */
  readonly discovery: DiscoveryMode;
  /** Backends that have left the EndpointSlice, and how long ago. */
  readonly outOfSlice: readonly { readonly name: string; readonly seconds: number }[];
}

/** Answers for these two functions. A socket left by a killed updater is replaced. */
export function serveStatus(
  socketPath: string,
  metrics: () => string,
  status: () => UpdaterStatus,
): Promise<Server> {
  const server = createServer((request, response) => {
    const put = (code: number, type: string, text: string): void => {
      response.writeHead(code, { "content-type": type });
      response.end(text);
    };
    if (request.url === "/metrics") put(200, "text/plain; version=0.0.4", metrics());
    else if (request.url === "/status") put(200, "application/json", JSON.stringify(status()));
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
