import type { FailureKind } from "./types";

/** A request without a good answer. */
export class RequestError extends Error {
  /** When its connection was opened, in ms since 1970. @default the start of the request */
  connectedAt?: number;

  constructor(
    readonly kind: FailureKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "RequestError";
  }
}

const RESET = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ERR_STREAM_PREMATURE_CLOSE"]);
const NETWORK = /^E(AI_|HOST|NET|ADDR|NOTFOUND|TIMEDOUT)/;
// OpenSSL's errors have no E... code; Node's certificate errors carry their reason as code
const TLS = /^(ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO$|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_)/;

/** The kind of an error of node:https, node:tls or node:net. */
export function errorKind(error: unknown): FailureKind {
  if (error instanceof RequestError) return error.kind;
  const { code, message } = error as { code?: string; message?: string };
  if (code === "ECONNREFUSED") return "refused";
  if (code !== undefined && RESET.has(code)) return "reset";
  if (code === "ETIMEDOUT") return "timeout";
  if (code !== undefined && TLS.test(code)) return "tls";
  if (code !== undefined && NETWORK.test(code)) return "network";
  // some versions of Node report the end of a connection during the handshake by its message alone
  if (/socket hang up|socket disconnected|aborted/.test(message ?? "")) return "reset";
  return "network";
}

/** The failure of an unexpected HTTP status, with the start of the body. */
export function statusError(
  status: number,
  expected: readonly number[],
  body: string,
): RequestError {
  const kind = status >= 500 ? "5xx" : status === 429 ? "429" : "status";
  const start = body.slice(0, 200).replaceAll(/\s+/g, " ");
  return new RequestError(kind, `status ${status}, expected ${expected.join(" or ")}: ${start}`);
}
