import assert from "node:assert/strict";
import { bootstrapScript } from "../../../../host/kubeadm/bootstrap-script";
import { caScript } from "../../../../host/kubeadm/ca-script";
import { joinCredentialsScript } from "../../../../host/kubeadm/join-credentials-script";
import { kubeconfigScript } from "../../../../host/kubeadm/kubeconfig-script";
import { initNodeOptions, KEY, SETTINGS, joinCredentialsLine, TOKEN } from "./example";
import { assertSoundSh } from "../../shell";

const scripts: Record<string, string> = {
  "bootstrap of the head": bootstrapScript(initNodeOptions()),
  "bootstrap with a ticket": bootstrapScript(
    initNodeOptions({ initNode: false, tickets: ["", joinCredentialsLine()], resetOnRemove: true }),
  ),
  "bootstrap with IPv6 addresses": bootstrapScript(
    initNodeOptions({
      settings: { ...SETTINGS, endpoint: { host: "fd00::11", port: 6444 } },
      node: { name: "m1", address: "fd00::11" },
      others: [{ name: "m2", address: "fd00::12" }],
    }),
  ),
  "bootstrap of a single master": bootstrapScript(initNodeOptions({ others: [], tickets: [] })),
  "the CA of the head": caScript(initNodeOptions()),
  "the CA with a ticket": caScript(initNodeOptions({ tickets: [joinCredentialsLine()] })),
  ticket: joinCredentialsScript({ for: "m2", generation: 1 }),
  kubeconfig: kubeconfigScript(),
};

describe("kubeadm's host scripts", function () {
  this.timeout(120_000);

  for (const [name, text] of Object.entries(scripts)) {
    it(`${name}: is sound POSIX sh`, () => assertSoundSh(text));
  }

  it("is a new text for a new generation, so that it runs again", () => {
    assert.notEqual(
      joinCredentialsScript({ for: "m2", generation: 1 }),
      joinCredentialsScript({ for: "m2", generation: 2 }),
    );
    assert.notEqual(
      bootstrapScript(initNodeOptions({ generation: 1 })),
      bootstrapScript(initNodeOptions({ generation: 2 })),
    );
  });

  it("is the same text for the same input", () => {
    assert.equal(bootstrapScript(initNodeOptions()), bootstrapScript(initNodeOptions()));
  });

  it("holds a secret only where it has join credentials", () => {
    assert.ok(!bootstrapScript(initNodeOptions()).includes(TOKEN));
    const withJoinCredentials = bootstrapScript(
      initNodeOptions({ tickets: [joinCredentialsLine()] }),
    );
    assert.ok(withJoinCredentials.includes(TOKEN) && withJoinCredentials.includes(KEY));
  });

  it("puts no secret into the arguments of a program: they go through files", () => {
    const withJoinCredentials = bootstrapScript(
      initNodeOptions({ tickets: [joinCredentialsLine()] }),
    );
    const lines = withJoinCredentials.split("\n").filter((line) => line.includes(TOKEN));
    assert.deepEqual(lines, [`${TOKEN} sha256:${"a".repeat(64)} ${KEY}`]);
  });

  for (const [name, tickets] of Object.entries({
    "is not a ticket": ["tickets are sold out"],
    "holds what could break out of sed": [
      joinCredentialsLine({ token: "abcdef.0123456789abcde|" }),
    ],
    "lacks a field": [joinCredentialsLine({ certificateKey: undefined })],
  })) {
    it(`fails on the host before any change when a line ${name}, without showing it`, () => {
      const text = bootstrapScript(initNodeOptions({ tickets }));
      assert.match(text, /^check_tickets\(\) \{ fail .*ticket cannot be read/m);
      assert.ok(!text.includes(tickets[0] ?? "-"));
    });
  }

  it("fails on the host when the other control-plane nodes are of two clusters", () => {
    const other = Buffer.from("-----BEGIN OTHER\n").toString("base64");
    const text = bootstrapScript(
      initNodeOptions({ tickets: [joinCredentialsLine(), joinCredentialsLine({ caCert: other })] }),
    );
    assert.match(text, /check_tickets\(\) \{ fail .*different clusters/);
  });
});
