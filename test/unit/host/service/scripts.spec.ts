import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { haproxyServiceFiles, haproxyServiceScript } from "../../../../host/service/haproxy-part";
import {
  tokenScript,
  updaterServiceFiles,
  updaterServiceScript,
} from "../../../../host/service/updater-part";
import { preflightScript } from "../../../../host/preflight/preflight-script";
import { CA, haproxySettings, TOKEN, tokenSettings, updaterSettings } from "./example";
import { assertSoundSh } from "../../shell";

const scripts: Record<string, string> = {
  "HAProxy's script": haproxyServiceScript(haproxySettings(), { generation: 1 }),
  "HAProxy's script with a take-over": haproxyServiceScript(haproxySettings({ takeOver: true })),
  "HAProxy's script with IPv6": haproxyServiceScript(haproxySettings({ address: "fd00::11" })),
  "the updater's script": updaterServiceScript(updaterSettings(), { generation: 1 }),
  "the updater's script with IPv6": updaterServiceScript(updaterSettings({ address: "fd00::11" })),
  "the token's script, by environment": tokenScript(tokenSettings()),
  "the token's script, by file": tokenScript(tokenSettings({ delivery: "file" })),
};

const look = {
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
  "the preflight of a host of HAProxy": preflightScript({
    ...look,
    controlPlaneNode: false,
    service: { takeOver: false },
    existing,
  }),
  "the preflight of a master with HAProxy": preflightScript({
    ...look,
    bootstrap: true,
    service: { takeOver: true },
  }),
  "the preflight of a master alone": preflightScript({ ...look, bootstrap: true }),
  "the preflight of a master with a forward": preflightScript({ ...look, forward: "nftables" }),
});

const programs = [
  ...haproxyServiceFiles(haproxySettings().ports),
  ...updaterServiceFiles(updaterSettings()),
].filter(({ mode }) => mode === "0755");
for (const { path, content } of programs) scripts[path] = content;

describe("scripts of the services", () => {
  for (const [name, text] of Object.entries(scripts)) {
    it(`${name}: is sound POSIX sh`, () => assertSoundSh(text));
  }

  it("are the same on all hosts, but for the checks at the end", () => {
    assert.deepEqual(
      updaterServiceFiles(updaterSettings()),
      updaterServiceFiles(updaterSettings({ address: "10.0.0.12" })),
    );
  });

  it("carry a token to one place only, in none of them as an argument or in plain", () => {
    for (const [name, text] of Object.entries(scripts)) assert.ok(!text.includes(TOKEN), name);
    assert.throws(() => tokenScript(tokenSettings({ token: "a b" })), {
      message: "the token of the updater's ServiceAccount is empty or no token",
    });
  });

  it("give the token to root alone, or to the updater's group where it reads a file", () => {
    assert.match(
      tokenScript(tokenSettings()),
      /files_put '\/etc\/control-plane-lb\/token.env' 0600 /,
    );
    const byFile = tokenScript(tokenSettings({ delivery: "file" }));
    assert.match(byFile, /files_put '\/etc\/control-plane-lb\/token' 0640 /);
    assert.doesNotMatch(byFile, /systemctl restart control-plane-lb-updater/);
  });

  it("restart the updater for other settings, and for other first backends not", () => {
    const unit = (changes: Parameters<typeof updaterSettings>[0]) =>
      updaterServiceFiles(updaterSettings(changes)).find(({ path }) =>
        path.endsWith("-updater.service"),
      )?.content;
    assert.equal(unit({}), unit({ backends: { m9: "10.0.0.19:6443" } }));
    for (const changes of [{ drainSeconds: 1 }, { script: "// another\n" }, { apiPort: 7443 }]) {
      assert.notEqual(unit({}), unit(changes), JSON.stringify(changes));
    }
  });
});
