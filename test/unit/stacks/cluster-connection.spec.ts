import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionOf } from "../../../stacks/cluster-connection";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function kubeconfig(cluster: object, user: object): string {
  return JSON.stringify({
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6444", ...cluster } }],
    users: [{ name: "u", user }],
  });
}

describe("the connection of a kubeconfig", () => {
  it("has kubeadm's certificates", () => {
    const text = kubeconfig(
      { "certificate-authority-data": base64("ca") },
      { "client-certificate-data": base64("cert"), "client-key-data": base64("key") },
    );
    const server = "https://10.0.0.1:6444";
    assert.deepEqual(connectionOf(text), { server, ca: "ca", cert: "cert", key: "key" });
  });

  it("reads the files that it names", () => {
    const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
    try {
      const file = (name: string, text: string): string => {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      };
      const cluster = { "certificate-authority": file("ca", "ca"), "tls-server-name": "name" };
      const text = kubeconfig(cluster, { tokenFile: file("token", "secret\n") });
      const { ca, token, serverName } = connectionOf(text) ?? {};
      assert.deepEqual([ca, token, serverName], ["ca", "secret", "name"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const [what, cluster, user] of [
    ["a command", {}, { exec: { command: "login" } }],
    ["a proxy", { "proxy-url": "http://proxy" }, { token: "t" }],
    ["a file that is not there", { "certificate-authority": "/nowhere/ca" }, { token: "t" }],
    ["no server", { server: "" }, { token: "t" }],
  ] as const) {
    it(`is none with ${what}`, () => {
      assert.equal(connectionOf(kubeconfig(cluster, user)), undefined);
    });
  }
});
