import http from "node:http";
import https from "node:https";

/** How to reach a cluster's API. SECRET */
export interface ClusterConnection {
  /** URL of the API server. */
  readonly server: string;
  /** PEM of the CA; absent: the system's. */
  readonly ca?: string;
  /** Name in the server's certificate. @default the server's own */
  readonly serverName?: string;
  readonly insecure?: boolean;
  /** PEM of the client's certificate and key. */
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

/** The answer of an API server. */
export interface ApiAnswer {
  readonly code: number;
  readonly body: unknown;
  /** The API server's clock, by its header `Date`; undefined if it sends none. */
  readonly date: number | undefined;
}

const TIMEOUT_MS = 10_000;

/**
 * One request to the cluster's API.
 *
 * @throws Error when no API server answers, without any part of the credentials
 */
export async function requestApi(
  connection: ClusterConnection,
  method: "GET" | "DELETE",
  path: string,
): Promise<ApiAnswer> {
  const { server, ca, cert, key, token, serverName, insecure } = connection;
  const url = new URL(`${server.replace(/\/+$/, "")}${path}`);
  const options: https.RequestOptions = {
    method,
    timeout: TIMEOUT_MS,
    agent: false,
    headers: {
      accept: "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ca,
    cert,
    key,
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: insecure !== true,
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === "http:" ? http.request : https.request;
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("error", reject);
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const date = Date.parse(response.headers.date ?? "");
        resolve({
          code: response.statusCode ?? 0,
          body: parse(Buffer.concat(chunks).toString()),
          date: Number.isNaN(date) ? undefined : date,
        });
      });
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.on("error", reject);
    request.end();
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
