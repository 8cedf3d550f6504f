import assert from "node:assert/strict";
import { before, describe, it } from "mocha";
import { bootstrapScript } from "../../../../host/kubeadm/bootstrap-script";
import { caScript } from "../../../../host/kubeadm/ca-script";
import { joinCredentialsScript } from "../../../../host/kubeadm/join-credentials-script";
import { objectsScript } from "../../../../host/kubeadm/objects-script";
import { kubeconfigScript } from "../../../../host/kubeadm/kubeconfig-script";
import { sharedKeysScript } from "../../../../host/kubeadm/shared-keys-script";
import { initNodeOptions, KEY, SETTINGS, joinCredentialsLine, TOKEN } from "./example";
import { newClusterSecrets } from "../../../../stacks/new-cluster-secrets";
import { assertSoundSh } from "../../shell";
import { withRemovals } from "../removal";

const joinCredentials = [joinCredentialsLine()];

const scripts: Record<string, string> = {
  "bootstrap of the init node": bootstrapScript(initNodeOptions()),
  "bootstrap with join credentials": bootstrapScript(
    initNodeOptions({ initNode: false, joinCredentials, resetOnRemove: true }),
  ),
  "bootstrap with IPv6 addresses": bootstrapScript(
    initNodeOptions({
      settings: { ...SETTINGS, endpoint: { host: "fd00::11", port: 6444 } },
      node: { name: "m1", address: "fd00::11" },
      others: [{ name: "m2", address: "fd00::12" }],
    }),
  ),
  "bootstrap of a single control-plane node": bootstrapScript(
    initNodeOptions({ others: [], joinCredentials: [] }),
  ),
  "the CA of the init node": caScript(initNodeOptions()),
  "the CA with join credentials": caScript(initNodeOptions({ joinCredentials })),
  "join credentials": joinCredentialsScript({ for: "m2", generation: 1 }),
  kubeconfig: kubeconfigScript({ generations: { m1: 1, m2: 2 } }),
  "the renewal of a kubeconfig": kubeconfigScript({
    generations: { m1: 1 },
    renewal: { today: "2026-11-29" },
  }),
  "the objects of a new cluster": objectsScript({
    node: { name: "m1", address: "fd00::11" },
    apiPort: 6443,
    pieces: [
      { fieldManager: "organization/control-plane-lb/dev", manifests: "kind: ConfigMap\n" },
      { fieldManager: "backends-in-use", manifests: "it's: $(a trap)\n" },
    ],
  }),
  "no renewal of a kubeconfig": kubeconfigScript({
    generations: { m1: 1 },
    renewal: { today: undefined },
  }),
};

describe("kubeadm's host scripts", function () {
  this.timeout(120_000);

  describe("with keys that exist before the cluster", () => {
    let shared: { caCert: string; joinToken: string };
    let keys: string;

    before(async () => {
      const secrets = await newClusterSecrets();
      shared = secrets;
      keys = sharedKeysScript("m1", secrets);
    });

    it("are sound POSIX sh", () => {
      assertSoundSh(keys);
      const options = { joinCredentials: [], shared };
      for (const initNode of [true, false]) {
        assertSoundSh(bootstrapScript(initNodeOptions({ ...options, initNode })));
      }
    });

    it("name nothing but kubeadm's own paths", () => {
      for (const name of ["ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "sa.pub"]) {
        assert.ok(keys.includes(`    ${name}) key_file_`), name);
      }
    });
  });

  it("refuse a field manager that Kubernetes refuses", () => {
    const pieces = [{ fieldManager: "a b", manifests: "" }];
    const options = { node: { name: "m1", address: "10.0.0.1" }, apiPort: 6443, pieces };
    assert.throws(() => objectsScript(options), /field manager: got "a b", expected 1 to 128/);
  });

  for (const [name, text] of Object.entries(withRemovals(scripts))) {
    it(`${name}: are sound POSIX sh`, () => assertSoundSh(text));

    it(`${name}: name neither Pulumi nor a key of its configuration`, () => {
      assert.doesNotMatch(text, /pulumi up|pulumi destroy|nodes\.|generation to|configuration and/);
    });
  }

  it("change with the generation", () => {
    assert.notEqual(
      joinCredentialsScript({ for: "m2", generation: 1 }),
      joinCredentialsScript({ for: "m2", generation: 2 }),
    );
    assert.notEqual(
      bootstrapScript(initNodeOptions({ generation: 1 })),
      bootstrapScript(initNodeOptions({ generation: 2 })),
    );
  });

  it("are the same text for the same input", () => {
    assert.equal(bootstrapScript(initNodeOptions()), bootstrapScript(initNodeOptions()));
  });

  it("hold a secret when they hold join credentials", () => {
    const text = bootstrapScript(initNodeOptions({ joinCredentials }));
    assert.ok(text.includes(TOKEN) && text.includes(KEY));
  });

  it("hold no unreadable join credentials", () => {
    const line = joinCredentialsLine({ token: "abcdef.0123456789abcde|" });
    const text = bootstrapScript(initNodeOptions({ joinCredentials: [line] }));
    assert.ok(!text.includes("abcdef.0123456789abcde") && !text.includes(line));
  });
});
