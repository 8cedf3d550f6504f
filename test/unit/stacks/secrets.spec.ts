import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "mocha";
import { settingsFromConfig } from "../../../stacks/read-config";
import { environment, example, HOST_KEY } from "./example";

const PEM = generateKeyPairSync("ed25519", {
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
}).privateKey;
const RSA = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
}).privateKey;

/** A key as text, and as an operator may mangle it: on one line, or without header and footer. */
function formsOf(pem: string): string[] {
  const body = pem.replaceAll(/-----[^-]*-----/g, "").replaceAll(/\s/g, "");
  return [pem, pem.replaceAll("\n", ""), pem.replaceAll("\n", "\\n"), body];
}

/** The message of the error, if the configuration has any. */
function messageOf(changes: Record<string, unknown>): string {
  const config = Object.entries({ ...example(), ...changes }).map(([key, value]) => [
    `p:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  try {
    settingsFromConfig(Object.fromEntries(config) as Record<string, string>, "p", {
      ...environment,
      readFile: (path) => {
        if (path === "~/key") return PEM;
        throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      },
    });
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

const ssh = { hostKey: HOST_KEY, privateKeyFile: "~/key" };

/** Places in the configuration where a key does not belong. */
const MISPLACED: Readonly<Record<string, (key: string) => Record<string, unknown>>> = {
  "ssh.privateKeyFile": (key) => ({ ssh: { ...ssh, privateKeyFile: key } }),
  "ssh.hostKeyFile": (key) => ({ ssh: { privateKeyFile: "~/key", hostKeyFile: key } }),
  "ssh.hostKey": (key) => ({ ssh: { ...ssh, hostKey: key } }),
  "ssh.user": (key) => ({ ssh: { ...ssh, user: `${key}!` } }),
  ssh: (key) => ({ ssh: key }),
  "a list in ssh": (key) => ({ ssh: [{ privateKey: key }] }),
  "ssh.bastion": (key) => ({ ssh: { ...ssh, bastion: key } }),
  "a list in ssh.bastion": (key) => ({ ssh: { ...ssh, bastion: [{ privateKey: key }] } }),
  "ssh.bastion.privateKeyFile": (key) => ({
    ssh: { ...ssh, bastion: { host: "jump.example", hostKey: HOST_KEY, privateKeyFile: key } },
  }),
  nodes: (key) => ({ nodes: key }),
  "a node's name": (key) => ({ nodes: { [key]: { address: "10.0.0.11" } } }),
  "a key of a node": (key) => ({ nodes: { m1: { [key]: "x" } } }),
  "a node's address": (key) => ({ nodes: { m1: { address: key } } }),
  "a key of the configuration": (key) => ({ [key]: "x" }),
  allow: (key) => ({ allow: [key] }),
  clusterName: (key) => ({ clusterName: `${key}!` }),
};

describe("an error of the configuration", () => {
  for (const [place, changes] of Object.entries(MISPLACED)) {
    it(`holds no 20 characters of a key in the place of ${place}`, () => {
      for (const key of [PEM, RSA].flatMap(formsOf)) {
        const message = messageOf(changes(key));
        assert.match(message, /^the configuration has /);
        for (let start = 0; start + 20 <= key.length; start++) {
          const part = key.slice(start, start + 20);
          assert.ok(!message.includes(part), `${part} in ${message}`);
        }
      }
    });
  }

  it("shows no value of privateKey, privateKeyPassword or kubeconfig", () => {
    const message = messageOf({
      ssh: { ...ssh, privateKey: { oops: "hunter2" }, privateKeyPassword: ["hunter2"] },
      kubeconfig: "hunter2",
      bootstrap: "kubeadm",
      daemonset: { kubeconfig: "hunter2" },
      forward: [{ privateKeyPassword: "hunter2" }],
    });
    assert.match(message, /ssh\.privateKey: got a value \(not shown\)/);
    assert.ok(!message.includes("hunter2"), message);
  });

  for (const key of ["ssh", "nodes", "haproxy"]) {
    for (const text of [
      '{"user":"root","privateKeyPassword":"hunter2",}',
      "{'user': 'root', 'privateKeyPassword': 'hunter2'}",
      "user: root, privateKeyPassword: hunter2",
      '{"kubeconfig":"hunter2"',
    ]) {
      it(`shows no password in the place of ${key} in ${text.slice(0, 8)}..., which is no JSON`, () => {
        const message = messageOf({ [key]: text });
        assert.match(message, /got a value \(not shown\)/);
        assert.ok(!message.includes("hunter2"), message);
      });
    }
  }

  it("says where a key belongs that stands in the place of a path", () => {
    const message = messageOf({ ssh: { ...ssh, privateKeyFile: PEM } });
    assert.match(
      message,
      /ssh\.privateKeyFile: holds a key, expected a path: use ssh\.privateKey for text/,
    );
  });

  it("still shows a value that is no key", () => {
    assert.match(messageOf({ ssh: { ...ssh, user: "no body" } }), /ssh\.user: got "no body"/);
  });
});
