/** HTTPS requests to an API server, verified against the cluster's CA. */
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { readFileSync } from "node:fs";
import type { UpdaterSettings } from "./settings";

/** An API server. */
export interface ApiServer {
  readonly address: string;
  readonly port: number;
}

/** How API servers are verified. */
export interface Trust {
  /** PEM text of the cluster's CA. */
  readonly ca: string;
  /** A name in the API server's certificate. */
  readonly serverName: string;
}

/** @throws Error when the CA certificate is missing */
export function readTrust({
  apiCaFile,
  apiServerName,
}: Pick<UpdaterSettings, "apiCaFile" | "apiServerName">): Trust {
  return { ca: readFileSync(apiCaFile, "utf8"), serverName: apiServerName };
}

/** One request. */
export interface Request {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly token?: string;
  readonly contentType?: string;
  readonly body?: string;
  /** From the start to the response's headers. */
  readonly timeoutMs: number;
  /** From the start to the end of the TLS handshake. @default timeoutMs */
  readonly connectMs?: number;
  readonly signal?: AbortSignal;
}

/** Larger than any response about one ConfigMap (1 MiB). */
const MAX_BODY_BYTES = 4_000_000;

/** Resolves with the response's headers; the caller must read or destroy the body. */
export function openRequest(
  apiServer: ApiServer,
  trust: Trust,
  request: Request,
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    host: apiServer.address,
    port: apiServer.port,
    method: request.method,
    path: request.path,
    ca: trust.ca,
    servername: trust.serverName,
    agent: false,
    minVersion: "TLSv1.2",
    headers: {
      accept: "application/json",
      host: trust.serverName,
      "user-agent": "control-plane-lb-updater",
      ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
      ...(request.body === undefined
        ? {}
        : {
            "content-type": request.contentType ?? "application/json",
            "content-length": Buffer.byteLength(request.body),
          }),
    },
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(options, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    const limit = (what: string, ms: number): NodeJS.Timeout =>
      setTimeout(() => outgoing.destroy(new Error(`no ${what} within ${ms} ms`)), ms);
    const timer = limit("answer", request.timeoutMs);
    const connecting = limit("connection", request.connectMs ?? request.timeoutMs);
    outgoing.on("socket", (socket) => {
      socket.setKeepAlive(true, 15_000);
      socket.once("secureConnect", () => clearTimeout(connecting));
    });
    outgoing.on("close", () => clearTimeout(connecting));
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.end(request.body);
  });
}

/** Reads a body to its end. */
export function readBody(answer: IncomingMessage, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () => answer.destroy(new Error(`the answer did not end within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      done();
    };
    answer.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BODY_BYTES) answer.destroy(new Error("the answer is too long"));
    });
    answer.on("end", () => settle(() => resolve(Buffer.concat(chunks).toString("utf8"))));
    answer.on("error", (error) => settle(() => reject(error)));
    answer.on("close", () => settle(() => reject(new Error("the connection was closed"))));
  });
}

/** Sends a request and reads the whole response. */
export async function exchange(
  apiServer: ApiServer,
  trust: Trust,
  request: Request,
): Promise<{ status: number; body: string }> {
  const answer = await openRequest(apiServer, trust, request);
  const body = await readBody(answer, request.timeoutMs);
  return { status: answer.statusCode ?? 0, body };
}
