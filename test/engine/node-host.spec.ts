import assert from "node:assert/strict";
import { after, describe, it } from "mocha";
import { StackConfig } from "../support/stack-config";
import { runUnderNodeHost } from "./support/node-host";

describe("under Pulumi's own node host, index.ts", function () {
  // it compiles and type-checks the program
  this.timeout(300_000);
  const config = new StackConfig("control-plane-lb");
  after(() => config.remove());

  it("registers all resources", async () => {
    const run = await runUnderNodeHost(config.with());
    assert.equal(run.code, 0, `${run.errors.join("\n")}\n${run.output}`);
    assert.ok(run.registered.includes("command:remote:Command m3-bootstrap"));
    assert.ok(run.registered.includes("kubernetes:apps/v1:DaemonSet haproxy-daemon-set"));
  });

  it("shows the errors of a configuration, and nothing else", async () => {
    const run = await runUnderNodeHost(config.with({ allow: ["anywhere"] }));
    assert.notEqual(run.code, 0);
    assert.deepEqual(run.errors, [
      'the configuration has an error; nothing was changed:\n  allow[0]: got "anywhere", expected a CIDR like 10.0.0.0/8 or fd00::/8',
    ]);
    assert.equal(run.output, "");
    assert.deepEqual(run.registered, []);
  });
});
