import type { Duplex } from "node:stream";
import { connect } from "node:net";
import { Client, type ConnectConfig } from "ssh2";
import type { SshEnd, SshTarget } from "../components/ssh/ssh-target";

/** Time for one connection, in ms; a host that is off must not hold the others up. */
const CONNECT_MS = 10_000;

/** What a command on a host gave. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a script as root on a host: over SSH, through the bastion if there is one, with the host key verified.
 *
 * @throws Error that says what failed: the connection, the host key, the login
 */
export async function runScript(
  target: SshTarget,
  script: string,
  timeoutMs: number,
): Promise<Ran> {
  const clients: Client[] = [];
  try {
    let tunnel: Duplex | undefined;
    if (target.bastion !== undefined) {
      const bastion = await login(target.bastion, await dial(target.bastion));
      clients.push(bastion);
      tunnel = await forward(bastion, target);
    }
    const client = await login(target, tunnel ?? (await dial(target)));
    clients.push(client);
    const command = target.user === "root" ? "sh -s" : "sudo -n sh -s";
    return await execute(client, command, script, timeoutMs);
  } finally {
    for (const client of clients.toReversed()) client.end();
  }
}

function dial(end: SshEnd): Promise<Duplex> {
  const where = `${end.host} port ${end.port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: end.host, port: end.port });
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no answer within ${CONNECT_MS / 1000} s`));
    }, CONNECT_MS);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    // stays: a late error must not end the program
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot connect to ${where}: ${error.message}`, { cause: error }));
    });
  });
}

function login(end: SshEnd, socket: Duplex): Promise<Client> {
  const [type = "", key = ""] = end.hostKey.split(/\s+/);
  const expected = Buffer.from(key, "base64");
  let otherKey = false;
  const config: ConnectConfig = {
    sock: socket,
    username: end.user,
    privateKey: end.privateKey,
    passphrase: end.privateKeyPassword,
    agent: end.agentSocketPath ?? process.env["SSH_AUTH_SOCK"],
    readyTimeout: CONNECT_MS,
    algorithms: { serverHostKey: [type as "ssh-ed25519"] },
    hostVerifier: (offered: Buffer) => {
      otherKey = !offered.equals(expected);
      return !otherKey;
    },
  };
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.once("ready", () => resolve(client));
    client.on("error", (error) => {
      client.destroy();
      const reason = otherKey ? "the host key is not the configured one" : error.message;
      reject(new Error(`SSH to ${end.user}@${end.host}: ${reason}`, { cause: error }));
    });
    client.once("close", () => reject(new Error(`SSH to ${end.user}@${end.host}: closed`)));
    try {
      client.connect(config);
    } catch (error) {
      reject(new Error(`SSH to ${end.user}@${end.host}: ${(error as Error).message}`));
    }
  });
}

function forward(bastion: Client, target: SshEnd): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    bastion.forwardOut("127.0.0.1", 0, target.host, target.port, (error, stream) => {
      if (error === undefined) resolve(stream);
      else reject(new Error(`the bastion cannot reach ${target.host}: ${error.message}`));
    });
  });
}

function execute(client: Client, command: string, input: string, timeoutMs: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      client.destroy();
      reject(new Error(`no result within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        clearTimeout(timer);
        reject(error);
        return;
      }
      let [stdout, stderr] = ["", ""];
      channel.setEncoding("utf8");
      channel.stderr.setEncoding("utf8");
      channel.on("data", (text: string) => (stdout += text));
      channel.stderr.on("data", (text: string) => (stderr += text));
      channel.on("close", (code: number | undefined) => {
        clearTimeout(timer);
        resolve({ code: code ?? 1, stdout, stderr });
      });
      channel.end(input);
    });
  });
}
