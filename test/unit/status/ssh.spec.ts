import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { Server } from "ssh2";
import type { SshTarget } from "../../../components/ssh/ssh-target";
import { runScript } from "../../../status/ssh";
import { keyPair } from "../../support/key-pair";

const hostKey = keyPair();
const userKey = keyPair();

describe("SSH of the status", () => {
  let server: Server;
  let target: SshTarget;

  beforeEach(async () => {
    // echoes command and input, and ends with code 3
    server = new Server({ hostKeys: [hostKey.private] }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        if (context.method === "publickey") context.accept();
        else context.reject(["publickey"]);
      });
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          let input = "";
          channel.on("data", (data: Buffer) => (input += data.toString()));
          channel.on("end", () => {
            channel.write(`${command}|${input}`);
            channel.exit(3);
            channel.end();
          });
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    target = {
      host: "127.0.0.1",
      port: (server.address() as AddressInfo).port,
      user: "ops",
      hostKey: hostKey.public.split(" ").slice(0, 2).join(" "),
      privateKey: userKey.private,
    };
  });

  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it("runs a script as root by sudo, its text in stdin alone", async () => {
    const ran = await runScript(target, "echo hello", 30_000);
    assert.deepEqual(ran, { code: 3, stdout: "sudo -n sh -s|echo hello", stderr: "" });
  });

  it("needs no sudo for root", async () => {
    const ran = await runScript({ ...target, user: "root" }, "x", 30_000);
    assert.equal(ran.stdout, "sh -s|x");
  });

  it("refuses a host that shows another key", async () => {
    const other = keyPair().public.split(" ").slice(0, 2).join(" ");
    await assert.rejects(
      runScript({ ...target, hostKey: other }, "x", 30_000),
      /ops@127.0.0.1: the host key is not the configured one/,
    );
  });

  it("says that nobody listens", async () => {
    const { port } = target;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await assert.rejects(
      runScript({ ...target, port }, "x", 30_000),
      /cannot connect to 127.0.0.1 port \d+: .*ECONNREFUSED/,
    );
  });
});
