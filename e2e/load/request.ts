import { request, type Agent, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { errorKind, RequestError } from "./failure";
import type { Credentials } from "./kubeconfig";
import type { Endpoint } from "./types";

/** Options of a request; Node hands `secureContext` on to the TLS connection. */
export type TlsOptions = RequestOptions & { readonly secureContext: SecureContext };

/** Who the load is: without credentials anonymous, and the server's certificate is not verified. */
export class Identity {
  readonly anonymous: boolean;
  private readonly context: SecureContext;
  private readonly token: string | undefined;

  constructor(credentials?: Credentials) {
    this.anonymous = credentials === undefined;
    this.token = credentials?.token;
    // made once: reading the keys anew for each connection would cost the generator its time
    this.context = createSecureContext({
      ca: credentials?.ca,
      cert: credentials?.cert,
      key: credentials?.key,
    });
  }

  /** @param verifyAs name that the certificate must have; by default the host of the target */
  options(target: Endpoint, verifyAs?: string): TlsOptions {
    const name = verifyAs ?? target.host;
    return {
      host: target.host,
      port: target.port,
      secureContext: this.context,
      rejectUnauthorized: !this.anonymous,
      // an IP address must not travel as server name (RFC 6066), Node then verifies the host
      ...(isIP(name) === 0 ? { servername: name } : {}),
      headers: this.token === undefined ? {} : { authorization: `Bearer ${this.token}` },
    };
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Question {
  readonly options: TlsOptions;
  readonly method: string;
  readonly path: string;
  readonly body?: { readonly type: string; readonly text: string };
  /** `false`: a connection of its own, closed after the answer. */
  readonly agent: Agent | false;
  readonly deadlineMs: number;
}

/** When connections were begun. */
const births = new WeakMap<object, number>();

/** How far a request came: it tells a hung load balancer from a hung API server. */
type ScenarioContext =
  "connecting" | "TLS handshake" | "waiting for the answer" | "reading the answer";

/**
 * Sends one request, once, and reads the answer to its end.
 * @throws RequestError with the kind of the failure; the time limit covers everything from the call
 */
export function ask(question: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let stage: ScenarioContext = "connecting";
    let answer: IncomingMessage | undefined;
    let connectedAt = Date.now();
    const finish = (error: unknown) => {
      clearTimeout(timer);
      const kind = errorKind(error);
      const text = error instanceof Error ? error.message : String(error);
      const failure = new RequestError(kind, `${text} (${stage})`, { cause: error });
      failure.connectedAt = connectedAt;
      reject(failure);
    };
    const call = open(question, (message) => {
      answer = message;
      stage = "reading the answer";
      const parts: Buffer[] = [];
      message.on("data", (part: Buffer) => parts.push(part));
      message.on("error", finish);
      message.on("end", () => {
        clearTimeout(timer);
        if (!message.complete) return finish(new RequestError("reset", "the answer broke off"));
        resolve({ status: message.statusCode ?? 0, body: Buffer.concat(parts).toString() });
      });
    });
    const timer = setTimeout(() => {
      finish(new RequestError("timeout", `no whole answer within ${question.deadlineMs} ms`));
      answer?.destroy();
      call.destroy();
    }, question.deadlineMs);
    call.on("error", finish);
    call.on("socket", (socket) => {
      connectedAt = births.get(socket) ?? connectedAt;
      births.set(socket, connectedAt);
      if (!socket.connecting) {
        stage = "waiting for the answer";
        return;
      }
      socket.once("connect", () => (stage = "TLS handshake"));
      socket.once("secureConnect", () => (stage = "waiting for the answer"));
    });
    call.end(question.body?.text);
  });
}

/** Begins a request; the caller reads the answer (watches) and ends the request. */
export function open(
  question: Omit<Question, "deadlineMs">,
  onAnswer: (message: IncomingMessage) => void,
) {
  const { options, body } = question;
  return request(
    {
      ...options,
      method: question.method,
      path: question.path,
      agent: question.agent,
      headers: {
        ...options.headers,
        accept: "application/json",
        ...(body === undefined
          ? {}
          : { "content-type": body.type, "content-length": Buffer.byteLength(body.text) }),
      } as Record<string, string | number>,
    },
    onAnswer,
  );
}
