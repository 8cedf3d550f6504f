import assert from "node:assert/strict";
import { bootstrapScript } from "../../../../host/kubeadm/bootstrap-script";
import { caScript } from "../../../../host/kubeadm/ca-script";
import { joinCredentialsScript } from "../../../../host/kubeadm/join-credentials-script";
import { kubeconfigScript } from "../../../../host/kubeadm/kubeconfig-script";
import { initNodeOptions, KEY, SETTINGS, joinCredentialsLine, TOKEN } from "./example";
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
  "no renewal of a kubeconfig": kubeconfigScript({
    generations: { m1: 1 },
    renewal: { today: undefined },
  }),
};

describe("kubeadm's host scripts", function () {
  this.timeout(120_000);

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
