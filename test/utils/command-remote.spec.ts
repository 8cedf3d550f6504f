import assert from "node:assert/strict";
import net from "node:net";
import type { Connection } from "../../pulumi-test-utils/src/plugins/command/connection";
import { runRemote, type RemoteRun } from "../../pulumi-test-utils/src/plugins/command/remote";
import { keyPair } from "../support/key-pair";
import { startAgent } from "./support/ssh-agent";
import { startSshServer, type SshServer, type SshServerOptions } from "../support/ssh-server";

const key = keyPair();

describe("remote command of the stand-in", () => {
  const running: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.close();
  });

  async function server(options: SshServerOptions = { publicKey: key.public }): Promise<SshServer> {
    const started = await startSshServer(options);
    running.push(started);
    return started;
  }

  function to(at: SshServer, more: Partial<Connection> = {}): Connection {
    return {
      host: "127.0.0.1",
      user: "ops",
      port: at.port,
      privateKey: key.private,
      dialErrorLimit: 0,
      perDialTimeout: 15,
      ...more,
    };
  }

  function run(connection: Connection, command: string, more: Partial<RemoteRun> = {}) {
    return runRemote({
      connection,
      command,
      environment: {},
      logging: "none",
      status: () => undefined,
      signal: new AbortController().signal,
      ...more,
    });
  }

  it("sends stdin, keeps stdout and stderr apart, and takes one newline off each", async () => {
    const host = await server();
    const result = await run(to(host), "cat; echo; echo problem >&2", { stdin: "line\n" });
    assert.deepEqual(result, { stdout: "line\n", stderr: "problem" });
  });

  it("passes a stdin of 1 MB completely", async () => {
    const host = await server();
    const stdin = "0123456789abcdef".repeat(65_536);
    const { stdout } = await run(to(host), "cat", { stdin });
    assert.equal(stdout.length, stdin.length);
    assert.ok(stdout === stdin);
  });

  it("makes a new connection for each run", async () => {
    const host = await server();
    await run(to(host), "true");
    await run(to(host), "true");
    assert.equal(host.connections(), 2);
  });

  it("reports status, command and all output in the order of arrival when a command fails", async () => {
    const host = await server();
    const failing = run(to(host), 'echo "one"; exit 7', { stdin: "secret text" });
    await assert.rejects(failing, {
      message: 'Process exited with status 7: running "echo \\"one\\"; exit 7":\none\n',
    });
  });

  it("reports the signal that ended a command", async () => {
    const host = await server();
    const killed = run(to(host), "kill -9 $$");
    await assert.rejects(
      killed,
      /^Error: Process exited with status 137 from signal KILL: running/,
    );
  });

  it("does not fail when a command leaves its stdin unread", async () => {
    const host = await server();
    const { stdout } = await run(to(host), "echo done", { stdin: "x".repeat(1_000_000) });
    assert.equal(stdout, "done");
  });

  it("shows lines as they arrive only for the stream that logging names", async () => {
    const host = await server();
    const lines: string[] = [];
    const status = (line: string) => lines.push(line);
    await run(to(host), "echo a; echo b >&2; printf c", { logging: "stdout", status });
    assert.deepEqual(lines, ["a", "c"]);
  });

  it("verifies the host key, and names a mismatch", async () => {
    const host = await server();
    await run(to(host, { hostKey: `${host.hostKey} comment` }), "true");
    const wrong = run(to(host, { hostKey: keyPair().public }), "true");
    await assert.rejects(wrong, {
      message: "after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch",
    });
    assert.deepEqual(host.commands, ["true"]);
  });

  it("fails without a dial for an unreadable host key or private key", async () => {
    const host = await server();
    await assert.rejects(
      run(to(host, { hostKey: "nonsense" }), "true"),
      /^Error: failed to parse host key/,
    );
    await assert.rejects(run(to(host, { privateKey: "nonsense" }), "true"), {
      message: "ssh: no key found",
    });
    const locked = keyPair("phrase").private;
    await assert.rejects(run(to(host, { privateKey: locked }), "true"), {
      message: "ssh: this private key is passphrase protected",
    });
    assert.equal(host.connections(), 0);
  });

  it("opens an encrypted private key with its password", async () => {
    const pair = keyPair("phrase");
    const host = await server({ publicKey: pair.public });
    const connection = to(host, { privateKey: pair.private, privateKeyPassword: "phrase" });
    assert.equal((await run(connection, "echo in")).stdout, "in");
  });

  it("logs in by password", async () => {
    const host = await server({ password: "open" });
    const connection = to(host, { privateKey: undefined, password: "open" });
    assert.equal((await run(connection, "echo in")).stdout, "in");
  });

  it("logs in by the agent", async () => {
    const host = await server();
    const agent = await startAgent(key.private);
    running.push(agent);
    const connection = to(host, { privateKey: undefined, agentSocketPath: agent.socket });
    assert.equal((await run(connection, "echo in")).stdout, "in");
  });

  it("names the methods that were tried when the login is refused", async () => {
    const host = await server();
    const refused = run(to(host, { privateKey: keyPair().private }), "true");
    await assert.rejects(refused, {
      message:
        "after 0 failed attempts: ssh: handshake failed: ssh: unable to authenticate, " +
        "attempted methods [none publickey], no supported methods remain",
    });
  });

  it("repeats a failed dial up to the limit, with a status line each", async () => {
    const host = await server({ publicKey: key.public, refuseFirst: 2 });
    const lines: string[] = [];
    const status = (line: string) => lines.push(line);
    const { stdout } = await run(to(host, { dialErrorLimit: 10 }), "echo in", { status });
    assert.equal(stdout, "in");
    assert.equal(host.connections(), 3);
    assert.deepEqual(lines, ["Dial 1/10 failed: retrying", "Dial 2/10 failed: retrying"]);
  });

  it("gives up after one attempt more than the limit, with the last error", async () => {
    const port = await freePort();
    const host = { port } as SshServer;
    const dialing = run(to(host, { dialErrorLimit: 2 }), "true");
    await assert.rejects(dialing, {
      message: `after 2 failed attempts: dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
  });

  it("stops dialing when it is cancelled", async () => {
    const host = { port: await freePort() } as SshServer;
    const cancel = new AbortController();
    const dialing = run(to(host, { dialErrorLimit: -1 }), "true", {
      signal: cancel.signal,
      status: () => cancel.abort(new Error("cancelled")),
    });
    await assert.rejects(dialing, /cancelled/);
  });

  it("reaches a host through a bastion, each with its own key", async () => {
    const bastionKey = keyPair();
    const bastion = await server({ publicKey: bastionKey.public });
    const host = await server();
    const proxy = to(bastion, { privateKey: bastionKey.private, hostKey: bastion.hostKey });
    const connection = to(host, { hostKey: host.hostKey, proxy });
    assert.equal((await run(connection, "echo behind")).stdout, "behind");
    assert.deepEqual(bastion.commands, []);
  });

  it("marks errors on the way through a bastion with its role", async () => {
    const bastion = await server();
    const closed = { port: await freePort() } as SshServer;
    const noBastion = run(to(bastion, { proxy: to(closed) }), "true");
    await assert.rejects(noBastion, /^Error: proxy: after 0 failed attempts: dial tcp .*refused$/);
    const noHost = run(to(closed, { proxy: to(bastion) }), "true");
    await assert.rejects(noHost, /^Error: proxy: after 0 failed attempts: ssh: rejected/);
  });

  it("reports a connection that breaks while the command runs", async () => {
    const host = await server();
    const running_ = run(to(host), "echo started; sleep 60", {
      logging: "stdout",
      status: () => void host.close(),
    });
    await assert.rejects(
      running_,
      /wait: remote command exited without exit status or exit signal/,
    );
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
