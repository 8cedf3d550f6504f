import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DEFAULT_ADVICE } from "../../../host/advice";
import { cleanUpScript } from "../../../host/clean-up-script";
import { filesOf, type HostPart } from "../../../host/part";
import { partScript } from "../../../host/part-script";
import { preflightScript } from "../../../host/preflight/preflight-script";
import { reachabilityScript } from "../../../host/reachability";
import { haproxyPart } from "../../../host/service/haproxy-part";
import { tokenPart } from "../../../host/service/token-part";
import { updaterPart } from "../../../host/service/updater-part";
import { assertSoundSh } from "../shell";
import { withRemovals } from "./removal";
import { CA, haproxySettings, PARTS, TOKEN, tokenSettings, updaterSettings } from "./example-parts";

const VIRTUAL: HostPart = {
  owner: "example",
  sysctls: { "net.ipv4.ip_nonlocal_bind": "1" },
  summary: "an example",
};

const scripts: Record<string, string> = {
  "a part with a sysctl": partScript(VIRTUAL, { generation: 1 }),
};
for (const [name, part] of Object.entries(PARTS)) {
  scripts[name] = partScript(part);
  for (const { path, mode, content } of filesOf(part)) {
    if (mode === "0755") scripts[`${path} of ${name}`] = content;
  }
}

const host = {
  node: "m1",
  address: "10.0.0.11",
  ports: { lb: 6444, api: 6443, health: 6445 },
  ownAddress: { from: "route" } as const,
  bootstrap: false,
};
const existing = {
  endpointHost: "lb.example",
  caCert: CA,
  backends: { m1: "10.0.0.11:6443", m2: "[fd00::12]:6443" },
};
Object.assign(scripts, {
  "the preflight of a load-balancer host": preflightScript({
    ...host,
    controlPlaneNode: false,
    service: { takeOver: false },
    existing,
  }),
  "the preflight of a control-plane node with HAProxy": preflightScript({
    ...host,
    bootstrap: true,
    service: { takeOver: true },
  }),
  "the preflight of a control-plane node alone": preflightScript({
    ...host,
    endpoint: { host: "lb.example", addresses: ["10.0.0.11", "fd00::100"] },
    bootstrap: true,
  }),
  "the preflight of a control-plane node with a forward by nftables": preflightScript({
    ...host,
    forward: "nftables",
  }),
  "the preflight of a host with a virtual IP": preflightScript({
    ...host,
    forward: "nftables",
    virtualIp: { address: "10.9.0.100", peers: ["10.9.0.11", "10.9.0.12"] },
  }),
  "the preflight of a control-plane node with a forward by iptables": preflightScript({
    ...host,
    forward: "iptables",
  }),
});

const targets = [
  { name: "m1", address: "10.0.0.11" },
  { name: "m2", address: "fd00::12" },
];
Object.assign(scripts, {
  "the reachability of load-balancer hosts": reachabilityScript({
    node: "m1",
    lbPort: 6444,
    targets,
  }),
  "the reachability behind a forward": reachabilityScript({
    ...{ node: "m1", lbPort: 6444, targets, forwardTo: 6443 },
  }),
});
scripts["the clean-up"] = cleanUpScript();

describe("scripts of a host", () => {
  for (const [name, text] of Object.entries(withRemovals(scripts))) {
    it(`${name}: is sound POSIX sh`, () => assertSoundSh(text));
  }

  it("name no configuration key, no host's address and no Pulumi by default", () => {
    for (const [name, text] of Object.entries(scripts)) {
      const lines = text
        .split("\n")
        .filter(
          (line) =>
            !/^(address=|reach |endpoint_addresses=|check_certificate |files_put |# |[A-Za-z0-9+/=]+$)/.test(
              line,
            ),
        );
      for (const word of ["pulumi", "takeOver", "sshHost", "nodes.", "forward.kind", "10.0.0.1"]) {
        assert.ok(!lines.join("\n").includes(word), `${word} in ${name}`);
      }
    }
  });

  it("include the given advice", () => {
    const takeOver = "ask for a take-over";
    assert.ok(partScript(haproxyPart(haproxySettings(), { takeOver })).includes(`: ${takeOver}"`));
    const advice = { ...DEFAULT_ADVICE, address: "correct nodes.m1.address" };
    assert.ok(preflightScript({ ...host, advice }).includes("'correct nodes.m1.address'"));
  });

  it("never show the token in plain", () => {
    for (const [name, text] of Object.entries(scripts)) assert.ok(!text.includes(TOKEN), name);
  });

  it("leave no token in the removal that stays on the host", () => {
    const token = Buffer.from(TOKEN).toString("base64").slice(0, 40);
    for (const [name, text] of Object.entries(withRemovals(scripts))) {
      if (name.endsWith("its removal")) assert.ok(!text.replaceAll("\n", "").includes(token), name);
    }
  });

  it("refuse a text that is not a token, without showing it", () => {
    assert.throws(() => tokenPart(tokenSettings({ token: "a b" })), {
      message: "the token of the updater's ServiceAccount is empty or not a token",
    });
  });

  it("give the token to root alone when it is in the environment", () => {
    const [file] = filesOf(tokenPart(tokenSettings()));
    assert.deepEqual(
      [file?.path, file?.mode, file?.group],
      ["/etc/control-plane-lb/6444/token.env", "0600", undefined],
    );
  });

  it("give the token to the updater's group when it is in a file", () => {
    const [file] = filesOf(tokenPart(tokenSettings({ delivery: "file" })));
    assert.deepEqual(
      [file?.path, file?.mode, file?.group],
      ["/etc/control-plane-lb/6444/token", "0640", "control-plane-lb"],
    );
  });

  it("restart the updater for a new token only if it is in the environment", () => {
    const restart = /systemctl restart control-plane-lb-updater-6444/;
    assert.match(scripts["the updater's token in its environment"] ?? "", restart);
    assert.doesNotMatch(scripts["the updater's token in a file"] ?? "", restart);
  });
});

describe("the updater's unit", () => {
  const unit = (changes: Parameters<typeof updaterSettings>[0]) =>
    updaterPart(updaterSettings(changes)).units?.[0]?.text;

  it("stays the same for other first backends: no restart", () => {
    assert.equal(unit({}), unit({ backends: { m9: "10.0.0.19:6443" } }));
  });

  for (const changes of [{ drainSeconds: 1 }, { script: "// another\n" }, { apiPort: 7443 }]) {
    it(`differs for another ${Object.keys(changes).join()}: a restart`, () => {
      assert.notEqual(unit({}), unit(changes));
    });
  }
});
