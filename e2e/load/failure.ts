import type { FailureKind } from "./types";

/** A request that did not end well. */
export class RequestError extends Error {
  /** When its connection was begun, ms since 1970; undefined: with the request. */
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
// OpenSSL's own errors have no E... code; Node's certificate errors name their reason
const TLS = /^(ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO$|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_)/;

/** Names the kind of an error that node:https, node:tls or node:net reported. */
export function errorKind(error: unknown): FailureKind {
  if (error instanceof RequestError) return error.kind;
  const { code, message } = error as { code?: string; message?: string };
  if (code === "ECONNREFUSED") return "refused";
  if (code !== undefined && RESET.has(code)) return "reset";
  if (code === "ETIMEDOUT") return "timeout";
  if (code !== undefined && TLS.test(code)) return "tls";
  if (code !== undefined && NETWORK.test(code)) return "network";
  // Node reports an end of the connection before the handshake was over by its text only, in some versions
  if (/socket hang up|socket disconnected|aborted/.test(message ?? "")) return "reset";
  return "network";
}

/** The failure of an HTTP status that was not expected. */
export function statusError(
  status: number,
  expected: readonly number[],
  body: string,
): RequestError {
  const kind = status >= 500 ? "5xx" : status === 429 ? "429" : "status";
  const start = body.slice(0, 200).replaceAll(/\s+/g, " ");
  return new RequestError(kind, `status ${status}, expected ${expected.join(" or ")}: ${start}`);
}
