import net from "node:net";
import type { Duplex } from "node:stream";
import { Client, utils, type AnyAuthMethod, type ConnectConfig } from "ssh2";
import { retry } from "./retry";

/** One end of an SSH connection, with the defaults filled in. */
export interface Endpoint {
  readonly host: string;
  readonly user: string;
  readonly port: number;
  readonly password?: string;
  readonly privateKey?: string;
  readonly privateKeyPassword?: string;
  /** @default $SSH_AUTH_SOCK */
  readonly agentSocketPath?: string;
  readonly dialErrorLimit: number;
  /** Time limit for the TCP connection alone, in seconds; 0 = none. */
  readonly perDialTimeout: number;
  /** Line of an authorized_keys file; without it any host key is accepted. */
  readonly hostKey?: string;
}

/** Input `connection`. */
export interface Connection extends Endpoint {
  readonly proxy?: Endpoint;
}

/** An open connection; `end` closes it and the proxy's. */
export interface Session {
  readonly client: Client;
  end(): void;
}

/**
 * Connects, through the proxy if there is one, with retries.
 *
 * @throws the texts of the command provider and of Go's SSH library
 */
export async function dial(
  connection: Connection,
  status: (line: string) => void,
  signal: AbortSignal,
): Promise<Session> {
  const config = clientConfig(connection);
  const { proxy } = connection;
  const limit = connection.dialErrorLimit;
  if (proxy === undefined) {
    const client = await retry(
      async () => handshake(await dialTcp(connection, signal), config, signal),
      { what: "Dial", limit, status, signal },
    );
    return { client, end: () => client.end() };
  }
  const open: Client[] = [];
  try {
    const proxyConfig = clientConfig(proxy);
    const bastion = await retry(
      async () => handshake(await dialTcp(proxy, signal), proxyConfig, signal),
      { what: "Dial proxy", limit: proxy.dialErrorLimit, status, signal },
    );
    open.push(bastion);
    const tunnel = await retry(() => forward(bastion, connection), {
      what: "Dial from proxy",
      limit,
      status,
      signal,
    });
    const client = await retry(() => handshake(tunnel, config, signal), {
      what: "Dial",
      limit,
      status,
      signal,
    });
    open.push(client);
    return { client, end: () => open.toReversed().forEach((one) => one.end()) };
  } catch (error) {
    for (const client of open) client.destroy();
    signal.throwIfAborted();
    throw new Error(`proxy: ${(error as Error).message}`, { cause: error });
  }
}

/** Settings for ssh2. An unreadable key fails here, before any dial. */
function clientConfig(endpoint: Endpoint): ConnectConfig {
  const { user: username, password, privateKey, privateKeyPassword, hostKey } = endpoint;
  const agent = endpoint.agentSocketPath ?? (process.env.SSH_AUTH_SOCK || undefined);
  const methods: AnyAuthMethod[] = [];
  if (privateKey !== undefined) {
    const key = utils.parseKey(privateKey, privateKeyPassword);
    if (key instanceof Error) throw new Error(keyError(key, privateKeyPassword), { cause: key });
    methods.push({ type: "publickey", username, key: privateKey, passphrase: privateKeyPassword });
  }
  if (password !== undefined) {
    methods.push({ type: "password", username, password });
    methods.push({
      type: "keyboard-interactive",
      username,
      prompt: (_name, _instructions, _language, prompts, finish) =>
        finish(prompts.map(() => password)),
    });
  }
  if (agent !== undefined) methods.push({ type: "agent", username, agent });
  return {
    username,
    authHandler: methods,
    // only the TCP connection has a time limit
    readyTimeout: 0,
    ...(hostKey === undefined ? {} : hostKeyConfig(hostKey)),
  };
}

function keyError(error: Error, passphrase: string | undefined): string {
  if (!/passphrase|encrypted/i.test(error.message)) return "ssh: no key found";
  return passphrase === undefined
    ? "ssh: this private key is passphrase protected"
    : "x509: decryption password incorrect";
}

function hostKeyConfig(hostKey: string): Partial<ConnectConfig> {
  const [type = "", data = ""] = hostKey.trim().split(/\s+/);
  const expected = Buffer.from(data, "base64");
  if (utils.parseKey(`${type} ${data}`) instanceof Error) {
    throw new Error("failed to parse host key: ssh: no key found");
  }
  return {
    algorithms: { serverHostKey: [type as "ssh-ed25519"] },
    hostVerifier: (offered: Buffer) => offered.equals(expected),
  };
}

function dialTcp(endpoint: Endpoint, signal: AbortSignal): Promise<net.Socket> {
  const address = net.isIPv6(endpoint.host)
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: endpoint.host, port: endpoint.port });
    const finish = (error?: string) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.off("error", onError);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      // the abandoned socket may still emit an error
      socket.on("error", () => undefined);
      socket.destroy();
      reject(new Error(`dial ${error}`));
    };
    const timer =
      endpoint.perDialTimeout > 0
        ? setTimeout(() => finish(`tcp ${address}: i/o timeout`), endpoint.perDialTimeout * 1000)
        : undefined;
    const abort = () => finish(`tcp ${address}: operation was canceled`);
    const onError = (error: NodeJS.ErrnoException) => finish(dialText(error, address));
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", onError);
    socket.once("connect", () => {
      // as Go's keep-alive, which detects a vanished host
      socket.setKeepAlive(true, 15_000);
      finish();
    });
  });
}

function dialText(error: NodeJS.ErrnoException, address: string): string {
  const texts: Record<string, string> = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ETIMEDOUT: "connect: connection timed out",
    ECONNRESET: "connect: connection reset by peer",
  };
  if (error.code === "ENOTFOUND") {
    return `tcp: lookup ${(error as { hostname?: string }).hostname ?? address}: no such host`;
  }
  return `tcp ${address}: ${texts[error.code ?? ""] ?? error.message}`;
}

function handshake(sock: Duplex, config: ConnectConfig, signal: AbortSignal): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    let ready = false;
    const fail = (error: Error) => {
      signal.removeEventListener("abort", abort);
      if (ready) return;
      client.destroy();
      sock.destroy();
      reject(new Error(`ssh: handshake failed: ${handshakeText(error, config)}`, { cause: error }));
    };
    const abort = () => fail(new Error("operation was canceled"));
    signal.addEventListener("abort", abort, { once: true });
    client.on("error", fail);
    client.once("close", () => fail(new Error("EOF")));
    client.once("ready", () => {
      ready = true;
      signal.removeEventListener("abort", abort);
      resolve(client);
    });
    try {
      client.connect({ ...config, sock: sock });
    } catch (error) {
      fail(error as Error);
    }
  });
}

function handshakeText(error: Error & { level?: string }, config: ConnectConfig): string {
  if (error.level === "client-authentication") {
    const methods = config.authHandler as unknown as { type: string }[];
    const tried = methods.map(({ type }) => (type === "agent" ? "publickey" : type));
    return (
      `ssh: unable to authenticate, attempted methods [${[...new Set(["none", ...tried])].join(" ")}], ` +
      "no supported methods remain"
    );
  }
  if (/host denied|verification failed/i.test(error.message)) return "ssh: host key mismatch";
  if (/no matching host key/i.test(error.message)) {
    const offered = config.algorithms?.serverHostKey as string[] | undefined;
    return `ssh: no common algorithm for host key; we offered: [${offered?.join(" ")}]`;
  }
  if (/before handshake|connection lost/i.test(error.message)) return "EOF";
  return error.message;
}

function forward(bastion: Client, to: Endpoint): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    bastion.forwardOut("127.0.0.1", 0, to.host, to.port, (error, stream) => {
      if (error === undefined) resolve(stream);
      else {
        const reason = error.message.replace(/^.*Channel open failure: /, "");
        reject(new Error(`ssh: rejected: connect failed (${reason})`, { cause: error }));
      }
    });
  });
}
