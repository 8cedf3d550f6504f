import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { example, HOST_KEY } from "../unit/stacks/example";
import { runUnderNodeHost } from "./support/node-host";

describe("under Pulumi's own node host, index.ts", function () {
  // it compiles and type-checks the program
  this.timeout(300_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-host-"));
    writeFileSync(path.join(folder, "key"), "a private key");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const config = (changes: Record<string, unknown> = {}) => {
    const ssh = { hostKey: HOST_KEY, privateKeyFile: path.join(folder, "key") };
    return Object.fromEntries(
      Object.entries({ ...example(), ssh, ...changes }).map(([key, value]) => [
        `control-plane-lb:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
  };

  it("registers everything", async () => {
    const run = await runUnderNodeHost(config());
    assert.equal(run.code, 0, `${run.errors.join("\n")}\n${run.output}`);
    assert.ok(run.registered.includes("command:remote:Command m3-bootstrap"));
    assert.ok(run.registered.includes("kubernetes:apps/v1:DaemonSet haproxy-daemon-set"));
  });

  it("shows the errors of a configuration, and nothing else", async () => {
    const run = await runUnderNodeHost(config({ allow: ["everybody"] }));
    assert.notEqual(run.code, 0);
    assert.deepEqual(run.errors, [
      'the configuration has an error; nothing was changed:\n  allow[0]: got "everybody", expected a CIDR like 10.0.0.0/8 or fd00::/8',
    ]);
    assert.equal(run.output, "");
    assert.deepEqual(run.registered, []);
  });
});
