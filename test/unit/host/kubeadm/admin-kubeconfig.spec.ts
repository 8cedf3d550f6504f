import assert from "node:assert/strict";
import { parse, stringify } from "yaml";
import { adminKubeconfig } from "../../../../host/kubeadm/admin-kubeconfig";
import { expiresSoon, expiryOfKubeconfig } from "../../../../host/kubeadm/kubeconfig";
import { certificates, kubeconfig } from "../../../support/certificates";

const ENDPOINT = { host: "fd00::11", port: 6444 };
const SERVER = "https://[fd00::11]:6444";

interface Kubeconfig {
  [key: string]: unknown;
  clusters: { name: string; cluster: Record<string, unknown> }[];
  contexts: { name: string; context: Record<string, unknown> }[];
  users: { name: string; user: Record<string, unknown> }[];
}

const given = () => JSON.parse(kubeconfig(SERVER)) as Kubeconfig;

function changed(change: (config: Kubeconfig) => void): string {
  const config = given();
  change(config);
  return JSON.stringify(config);
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("the kubeconfig that a control-plane node prints", () => {
  it("is rebuilt from the endpoint, the CA, the client certificate and its key", () => {
    const text = stringify({ ...given(), preferences: {} });
    assert.deepEqual(parse(adminKubeconfig(text, ENDPOINT)), given());
  });

  const set = (name: string, value: unknown) =>
    changed((config) => {
      Object.assign(config.users[0]?.user ?? {}, { [name]: value });
    });

  const refused: Record<string, [() => string, RegExp]> = {
    "a command": [
      () => set("exec", { command: "hunter2" }),
      /users\.user\.exec is not allowed in it/,
    ],
    "an auth provider": [
      () => set("auth-provider", { name: "hunter2" }),
      /auth-provider is not allowed/,
    ],
    "a token": [() => set("token", "hunter2"), /users\.user\.token is not allowed/],
    "a file of a token": [() => set("tokenFile", "/hunter2"), /tokenFile is not allowed/],
    "a path of a certificate": [() => set("client-certificate", "/hunter2"), /is not allowed/],
    "a proxy": [
      () => changed(({ clusters }) => (clusters[0]!.cluster["proxy-url"] = "http://hunter2")),
      /clusters\.cluster\.proxy-url is not allowed/,
    ],
    "no verification": [
      () => changed(({ clusters }) => (clusters[0]!.cluster["insecure-skip-tls-verify"] = true)),
      /insecure-skip-tls-verify is not allowed/,
    ],
    "another server": [
      () => changed(({ clusters }) => (clusters[0]!.cluster["server"] = "https://hunter2:6444")),
      /its server is not https:\/\/\[fd00::11\]:6444/,
    ],
    "a server without TLS": [
      () => changed(({ clusters }) => (clusters[0]!.cluster["server"] = "http://[fd00::11]:6444")),
      /its server is not https/,
    ],
    "another context": [
      () => changed(({ contexts }) => contexts.push({ name: "hunter2", context: {} })),
      /not exactly one of contexts/,
    ],
    "another user": [
      () => changed(({ users }) => users.push({ name: "hunter2", user: {} })),
      /not exactly one of users/,
    ],
    extensions: [
      () => changed((config) => (config["extensions"] = [])),
      /extensions is not allowed/,
    ],
    "a CA that is none": [
      () =>
        changed(
          ({ clusters }) =>
            (clusters[0]!.cluster["certificate-authority-data"] = base64("hunter2")),
        ),
      /certificate-authority-data is no certificate/,
    ],
    "the key of another certificate": [
      () => set("client-key-data", base64(certificates().serverKey)),
      /client-key-data is not the key of client-certificate-data/,
    ],
    "no key": [
      () => changed(({ users }) => delete users[0]!.user["client-key-data"]),
      /users\.user\.client-key-data is missing/,
    ],
    "an alias": [() => "a: &a [1]\nb: [*a, *a]\n", /it is no YAML/],
    "no object": [() => "hunter2", /the text is no object/],
  };
  for (const [what, [text, reason]] of Object.entries(refused)) {
    it(`is refused with ${what}, without showing it`, () => {
      assert.throws(
        () => adminKubeconfig(text(), ENDPOINT),
        (error: Error) => {
          assert.match(error.message, reason);
          assert.ok(!error.message.includes("hunter2"), error.message);
          return true;
        },
      );
    });
  }
});

describe("the expiry of a kubeconfig", () => {
  const text = kubeconfig(SERVER, "admin", 90);
  const later = (days: number) => new Date(Date.now() + days * 86_400_000);

  it("is that of its client certificate", () => {
    const days = ((expiryOfKubeconfig(text)?.getTime() ?? 0) - Date.now()) / 86_400_000;
    assert.ok(days > 89 && days <= 90, String(days));
  });

  it("is soon within its last 60 days, and after its end", () => {
    assert.equal(expiresSoon(text, later(1)), undefined);
    assert.equal(expiresSoon(text, later(40)), 49);
    assert.equal(expiresSoon(text, later(91)), -2);
  });

  it("is unknown without a client certificate", () => {
    assert.equal(expiresSoon("clusters: []", new Date()), undefined);
  });
});
