import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { SshTarget } from "../../../components/ssh/ssh-target";
import { runScript } from "../../../status/ssh";
import { keyPair } from "../../support/key-pair";
import { startSshServer, type SshServer } from "../../support/ssh-server";
import { waitUntil } from "../../../tools/src/index";

const LIMIT_MS = 30_000;
const userKey = keyPair();

describe("SSH of the status command", () => {
  let server: SshServer;
  let target: SshTarget;

  beforeEach(async () => {
    server = await startSshServer({ publicKey: userKey.public });
    target = {
      host: "127.0.0.1",
      port: server.port,
      user: "root",
      hostKey: hostKeyOf(server),
      privateKey: userKey.private,
    };
  });

  afterEach(() => server.close());

  it("returns the script's output and exit code", async () => {
    const ran = await runScript(target, "echo out; echo err >&2; exit 3", LIMIT_MS);
    assert.deepEqual(ran, { code: 3, stdout: "out\n", stderr: "err\n" });
  });

  it("sends the script by stdin only", async () => {
    await runScript(target, "echo hello", LIMIT_MS);
    assert.deepEqual(server.commands, ["sh -s"]);
  });

  it("uses sudo for other users than root", async () => {
    await runScript({ ...target, user: "ops" }, "true", LIMIT_MS);
    assert.deepEqual(server.commands, ["sudo -n sh -s"]);
  });

  it("refuses a host with another host key", async () => {
    const hostKey = publicKey(keyPair().public);
    await assert.rejects(runScript({ ...target, hostKey }, "true", LIMIT_MS), {
      message: "SSH to root@127.0.0.1: the host key is not the configured one",
    });
    assert.deepEqual(server.commands, []);
  });

  it("names the address where nothing listens", async () => {
    await server.close();
    await assert.rejects(
      runScript(target, "true", LIMIT_MS),
      /^Error: SSH to root@127\.0\.0\.1: connect to host 127\.0\.0\.1 port \d+: Connection refused$/,
    );
  });

  it("reports a refused login", async () => {
    await assert.rejects(
      runScript({ ...target, privateKey: keyPair().private }, "true", LIMIT_MS),
      /^Error: SSH to root@127\.0\.0\.1: .*Permission denied/,
    );
  });

  it("reads a private key with a passphrase", async () => {
    const { privateKey, other } = await encrypted();
    const target2 = { ...target, port: other.port, hostKey: hostKeyOf(other), privateKey };
    try {
      const ran = await runScript({ ...target2, privateKeyPassword: "pass % word" }, ":", LIMIT_MS);
      assert.equal(ran.code, 0);
    } finally {
      await other.close();
    }
  });

  it("points at the passphrase when it is wrong", async () => {
    const { privateKey, other } = await encrypted();
    const target2 = { ...target, port: other.port, hostKey: hostKeyOf(other), privateKey };
    try {
      await assert.rejects(
        runScript({ ...target2, privateKeyPassword: "no" }, ":", LIMIT_MS),
        /^Error: SSH to root@127\.0\.0\.1: .* Check the key and privateKeyPassword$/,
      );
    } finally {
      await other.close();
    }
  });

  it("takes the key from the configured agent", async () => {
    const agent = await startOpenSshAgent(userKey.private);
    const keyless = { ...target, privateKey: undefined };
    try {
      const ran = await runScript({ ...keyless, agentSocketPath: agent.socket }, ":", LIMIT_MS);
      assert.equal(ran.code, 0);
    } finally {
      agent.close();
    }
  });

  it("goes through a bastion with its own key", async () => {
    const bastionKey = keyPair();
    const bastion = await startSshServer({ publicKey: bastionKey.public });
    try {
      const ran = await runScript(
        { ...target, bastion: end(bastion, bastionKey.private) },
        "echo in",
        LIMIT_MS,
      );
      assert.equal(ran.stdout, "in\n");
      assert.equal(bastion.connections(), 1);
    } finally {
      await bastion.close();
    }
  });

  it("names the bastion that shows another host key", async () => {
    const bastionKey = keyPair();
    const bastion = await startSshServer({ publicKey: bastionKey.public });
    const wrong = { ...end(bastion, bastionKey.private), hostKey: publicKey(keyPair().public) };
    try {
      await assert.rejects(runScript({ ...target, bastion: wrong }, ":", LIMIT_MS), {
        message: "SSH to the bastion jump@localhost: the host key is not the configured one",
      });
      assert.equal(server.connections(), 0);
    } finally {
      await bastion.close();
    }
  });

  it("names the bastion that does not answer", async () => {
    const bastion = { ...target, host: "localhost", port: 1, user: "jump" };
    await assert.rejects(
      runScript({ ...target, bastion }, ":", LIMIT_MS),
      /^Error: SSH to the bastion jump@localhost: connect to host localhost port 1: Connection refused$/,
    );
  });

  it("names the target that the bastion cannot reach", async () => {
    const bastionKey = keyPair();
    const bastion = await startSshServer({ publicKey: bastionKey.public });
    try {
      await assert.rejects(
        runScript({ ...target, port: 1, bastion: end(bastion, bastionKey.private) }, ":", LIMIT_MS),
        { message: "SSH to root@127.0.0.1: the bastion cannot reach 127.0.0.1 port 1" },
      );
    } finally {
      await bastion.close();
    }
  });

  it("ends a script that exceeds the time limit", async () => {
    await assert.rejects(runScript(target, "sleep 600", 1500), /no result within 1\.5 s/);
  });

  it("leaves no key behind", async () => {
    await runScript(target, ":", LIMIT_MS);
    await runScript({ ...target, port: 1 }, ":", LIMIT_MS).catch(() => undefined);
    const left = readdirSync(tmpdir()).filter((name) =>
      name.startsWith("control-plane-lb-status-"),
    );
    assert.deepEqual(left, []);
  });

  it("asks for the OpenSSH client when it is missing", async () => {
    await withVariables({ PATH: "/nonexistent" }, () =>
      assert.rejects(runScript(target, ":", LIMIT_MS), /install the OpenSSH client/),
    );
  });

  it("goes through a bastion when the temporary folder has a space in its name", async () => {
    const bastion = await startSshServer({ publicKey: userKey.public });
    const folder = mkdtempSync(path.join(tmpdir(), "status spec's "));
    try {
      await withVariables({ TMPDIR: folder }, async () => {
        const through = { ...target, bastion: end(bastion, userKey.private) };
        const ran = await runScript(through, "echo in", LIMIT_MS);
        assert.equal(ran.stdout, "in\n");
      });
    } finally {
      rmSync(folder, { recursive: true });
      await bastion.close();
    }
  });

  describe("in place of ssh", () => {
    let folder: string;
    beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "status-ssh-"))));
    afterEach(() => rmSync(folder, { recursive: true }));

    /** Runs a script where `ssh` is this shell program. */
    const runWith = async (program: string, variables = {}) => {
      const bin = path.join(folder, "bin");
      mkdirSync(bin);
      writeFileSync(path.join(bin, "ssh"), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
      const PATH = `${bin}:${process.env["PATH"]}`;
      return withVariables({ PATH, ...variables }, () => runScript(target, ":", LIMIT_MS));
    };

    it("a program finds no secret of this process in its environment", async () => {
      const secret = "hunter2";
      const { stdout } = await runWith("env", {
        PULUMI_CONFIG_PASSPHRASE: secret,
        PULUMI_ACCESS_TOKEN: secret,
        AWS_SECRET_ACCESS_KEY: secret,
        SSH_AUTH_SOCK: "/run/agent.sock",
      });
      assert.match(stdout, /^SSH_ASKPASS=/m);
      assert.match(stdout, /^SSH_AUTH_SOCK=\/run\/agent\.sock$/m);
      assert.ok(!stdout.includes(secret), stdout);
    });

    it("a program that never stops writing is ended", async () => {
      await assert.rejects(runWith("yes $(seq 100000)"), /^Error: more than 16 MB of output$/);
    });
  });
});

/** Runs with these environment variables of this process. */
async function withVariables<T>(
  variables: Readonly<Record<string, string>>,
  action: () => Promise<T>,
): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await action();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

/** OpenSSH's own agent with one key. */
async function startOpenSshAgent(privateKey: string): Promise<{ socket: string; close(): void }> {
  const folder = mkdtempSync(path.join(tmpdir(), "status-agent-"));
  const socket = path.join(folder, "agent.sock");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await waitUntil("starting ssh-agent", { seconds: 60, everyMs: 20 }, () => existsSync(socket));
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  const added = spawnSync("ssh-add", ["-q", "-"], { env, input: privateKey, encoding: "utf8" });
  assert.equal(added.status, 0, added.stderr);
  return {
    socket,
    close: () => {
      agent.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function encrypted(): Promise<{ privateKey: string; other: SshServer }> {
  const pair = keyPair("pass % word");
  return { privateKey: pair.private, other: await startSshServer({ publicKey: pair.public }) };
}

function end(server: SshServer, privateKey: string) {
  return {
    host: "localhost",
    port: server.port,
    user: "jump",
    hostKey: hostKeyOf(server),
    privateKey,
  };
}

function hostKeyOf(server: SshServer): string {
  return publicKey(server.hostKey);
}

/** `TYPE BASE64`, without a comment. */
function publicKey(line: string): string {
  return line.split(" ").slice(0, 2).join(" ");
}
