import { request as httpsRequest, type Agent, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { errorKind, RequestError } from "./failure";
import type { Credentials } from "./kubeconfig";
import { requireLabRoute } from "./lab-route";
import type { Target } from "./types";

/** Options of a request; Node hands `secureContext` on to the TLS connection. */
export type TlsOptions = RequestOptions & { readonly secureContext: SecureContext };

/**
 * A client's credentials. Without any it is anonymous and does not verify the server's certificate.
 */
export class Identity {
  readonly anonymous: boolean;
  private readonly context: SecureContext;
  private readonly token: string | undefined;

  constructor(credentials?: Credentials) {
    this.anonymous = credentials === undefined;
    this.token = credentials?.token;
    // made once: reading the keys for each connection would delay the generator
    this.context = createSecureContext({
      ca: credentials?.ca,
      cert: credentials?.cert,
      key: credentials?.key,
    });
  }

  /** @param verifyAs name that the certificate must have. @default the target's host */
  options(target: Target, verifyAs?: string): TlsOptions {
    const name = verifyAs ?? target.host;
    return {
      host: target.host,
      port: target.port,
      secureContext: this.context,
      rejectUnauthorized: !this.anonymous,
      // an IP address is no valid server name (RFC 6066); Node then verifies the host
      ...(isIP(name) === 0 ? { servername: name } : {}),
      headers: this.token === undefined ? {} : { authorization: `Bearer ${this.token}` },
    };
  }
}

/** A complete response. */
export interface ApiResponse {
  readonly status: number;
  readonly body: string;
}

/** What to send, once. */
export interface ApiRequest {
  readonly options: TlsOptions;
  readonly method: string;
  readonly path: string;
  readonly body?: { readonly type: string; readonly text: string };
  /** `false`: a connection of its own, closed after the response. */
  readonly agent: Agent | false;
  readonly deadlineMs: number;
}

/** When each connection was opened, in ms since 1970. */
const openedAt = new WeakMap<object, number>();

/** How far a request got: this tells a hung load balancer from a hung API server. */
type Progress =
  "connecting" | "TLS handshake" | "waiting for the response" | "reading the response";

/**
 * Sends a request once, without retries, and reads the response to its end. The deadline starts
 * with the call.
 * @throws RequestError with the kind of the failure; NoLabRoute
 */
export function sendRequest(request: ApiRequest): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    let progress: Progress = "connecting";
    let response: IncomingMessage | undefined;
    let connectedAt = Date.now();
    const finish = (error: unknown) => {
      clearTimeout(timer);
      const kind = errorKind(error);
      const text = error instanceof Error ? error.message : String(error);
      const failure = new RequestError(kind, `${text} (${progress})`, { cause: error });
      failure.connectedAt = connectedAt;
      reject(failure);
    };
    const call = openRequest(request, (message) => {
      response = message;
      progress = "reading the response";
      const parts: Buffer[] = [];
      message.on("data", (part: Buffer) => parts.push(part));
      message.on("error", finish);
      message.on("end", () => {
        clearTimeout(timer);
        if (!message.complete) return finish(new RequestError("reset", "the response broke off"));
        resolve({ status: message.statusCode ?? 0, body: Buffer.concat(parts).toString() });
      });
    });
    const timer = setTimeout(() => {
      finish(new RequestError("timeout", `no complete response within ${request.deadlineMs} ms`));
      response?.destroy();
      call.destroy();
    }, request.deadlineMs);
    call.on("error", finish);
    call.on("socket", (socket) => {
      connectedAt = openedAt.get(socket) ?? connectedAt;
      openedAt.set(socket, connectedAt);
      if (!socket.connecting) {
        progress = "waiting for the response";
        return;
      }
      socket.once("connect", () => (progress = "TLS handshake"));
      socket.once("secureConnect", () => (progress = "waiting for the response"));
    });
    call.end(request.body?.text);
  });
}

/**
 * Begins a request; the caller ends it and reads the response, as watches do.
 * @throws NoLabRoute
 */
export function openRequest(
  request: Omit<ApiRequest, "deadlineMs">,
  onResponse: (message: IncomingMessage) => void,
) {
  const { options, body } = request;
  requireLabRoute(String(options.host));
  return httpsRequest(
    {
      ...options,
      method: request.method,
      path: request.path,
      agent: request.agent,
      headers: {
        ...options.headers,
        accept: "application/json",
        ...(body === undefined
          ? {}
          : { "content-type": body.type, "content-length": Buffer.byteLength(body.text) }),
      } as Record<string, string | number>,
    },
    onResponse,
  );
}
