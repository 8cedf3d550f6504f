import assert from "node:assert/strict";
import { parse } from "yaml";
import { caOfKubeconfig } from "../../../host/kubeadm/kubeconfig";
import { readKubeconfig } from "../../../stacks/kubeconfig-file";
import type { ValidationError } from "../../../stacks/validation";

const CA = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";

const config = (cluster: object, user: object = {}) =>
  JSON.stringify({
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
  });

function read(value: string, files: Readonly<Record<string, string>> = {}) {
  const errors: ValidationError[] = [];
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) {
      throw Object.assign(new Error(`ENOENT: open '${path}'`), { code: "ENOENT" });
    }
    return text;
  };
  return { text: readKubeconfig(value, errors, { readFile, env: {} }), errors };
}

describe("a kubeconfig", () => {
  it("given as its text is that text", () => {
    const text = config({ "certificate-authority": "/pki/ca.crt" });
    assert.deepEqual(read(text), { text, errors: [] });
  });

  it("given as a path is read, with the files that it names", () => {
    const text = config(
      { server: "https://a:6443", "certificate-authority": "ca.crt" },
      { "client-certificate": "/pki/a.crt", "client-key": "../a.key", tokenFile: "token" },
    );
    const seen = read("/home/me/.kube/config", {
      "/home/me/.kube/config": text,
      "/home/me/.kube/ca.crt": CA,
      "/pki/a.crt": "certificate",
      "/home/me/a.key": "key",
    });
    assert.deepEqual(seen.errors, []);
    assert.equal(caOfKubeconfig(seen.text), CA);
    const { users } = parse(seen.text) as { users: unknown };
    const base64 = (content: string) => Buffer.from(content).toString("base64");
    const user = {
      tokenFile: "/home/me/.kube/token",
      "client-certificate-data": base64("certificate"),
      "client-key-data": base64("key"),
    };
    assert.deepEqual(users, [{ name: "u", user }]);
  });

  it("may be in the home directory", () => {
    const seen = read("~/.kube/config", {
      "~/.kube/config": config({ "certificate-authority": "ca.crt" }),
      "~/.kube/ca.crt": CA,
    });
    assert.equal(caOfKubeconfig(seen.text), CA);
  });

  it("is refused where the file, or one that it names, cannot be read, without its value", () => {
    const message =
      "neither the text of a kubeconfig nor the path of one that can be read (ENOENT)";
    assert.deepEqual(read("hunter2").errors, [{ path: "kubeconfig", message }]);
    const files = { there: config({ "certificate-authority": "ca.crt" }) };
    assert.deepEqual(read("there", files).errors, [
      {
        path: "kubeconfig",
        message: "names a file as certificate-authority that cannot be read (ENOENT)",
      },
    ]);
  });
});
