import { spawn } from "node:child_process";
import net from "node:net";
import { Server, utils, type Connection, type ServerChannel } from "ssh2";
import { keyPair } from "./key-pair";

/** Settings of the server. */
export interface SshServerOptions {
  /** A public key that may log in, as a line of authorized_keys. */
  readonly publicKey?: string;
  readonly password?: string;
  /** Number of first connections that are closed at once. */
  readonly refuseFirst?: number;
}

/** An SSH server on a free port of this machine that runs commands by `sh -c`. */
export interface SshServer {
  readonly port: number;
  /** Host key, as a line of authorized_keys. */
  readonly hostKey: string;
  /** TCP connections so far. */
  readonly connections: () => number;
  /** Commands so far. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}

export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const host = keyPair();
  const commands: string[] = [];
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = new Server({ hostKeys: [host.private] }, (client) => {
    authenticate(client, options);
    client.on("error", () => undefined);
    client.on("session", (accept) => {
      const session = accept();
      session.on("env", (acceptEnv) => (acceptEnv as (() => void) | undefined)?.());
      session.on("exec", (acceptExec, _reject, { command }) => {
        commands.push(command);
        runCommand(acceptExec(), command);
      });
    });
    client.on("tcpip", (accept, reject, { destIP, destPort }) => {
      const target = net.connect(destPort, destIP);
      target.once("error", () => reject());
      target.once("connect", () => {
        target.removeAllListeners("error");
        const stream = accept();
        for (const end of [target, stream]) end.on("error", () => undefined);
        stream.pipe(target).pipe(stream);
      });
    });
  });
  const front = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    if (connections <= (options.refuseFirst ?? 0)) socket.destroy();
    else server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  return {
    port: (front.address() as net.AddressInfo).port,
    hostKey: host.public,
    connections: () => connections,
    commands,
    close: async () => {
      const closed = new Promise((resolve) => front.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function authenticate(client: Connection, options: SshServerOptions): void {
  const allowed = options.publicKey === undefined ? undefined : utils.parseKey(options.publicKey);
  const allowedBlob = allowed instanceof Error ? undefined : allowed?.getPublicSSH();
  client.on("authentication", (context) => {
    const fits =
      (context.method === "password" &&
        options.password !== undefined &&
        context.password === options.password) ||
      (context.method === "publickey" && allowedBlob?.equals(context.key.data) === true);
    if (fits) context.accept();
    else context.reject(["publickey", "password"]);
  });
}

function runCommand(channel: ServerChannel, command: string): void {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  channel.on("error", () => undefined);
  channel.pipe(child.stdin);
  child.stdout.on("data", (data: Buffer) => channel.write(data));
  child.stderr.on("data", (data: Buffer) => channel.stderr.write(data));
  child.once("close", (code, signal) => {
    if (signal === null) channel.exit(code ?? 0);
    else channel.exit(signal.replace("SIG", ""), false, "");
    channel.end();
  });
  channel.once("close", () => child.kill("SIGKILL"));
}
