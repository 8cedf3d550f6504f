import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { after, before, describe, it } from "mocha";
import { recordResources } from "../../pulumi-test-utils/src/index";
import { program } from "../../stacks/program";
import { example, HOST_KEY } from "../unit/stacks/example";

describe("the program", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "control-plane-lb-program-"));
    writeFileSync(join(folder, "key"), "a private key");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (changes: Record<string, unknown> = {}) => {
    const ssh = { hostKey: HOST_KEY, privateKeyFile: join(folder, "key") };
    const config = Object.entries({ ...example(), ssh, ...changes }).map(([key, value]) => [
      `mine:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]);
    return recordResources(program, {
      project: "mine",
      config: Object.fromEntries(config) as Record<string, string>,
    });
  };

  it("reads the stack's configuration and returns the outputs", async () => {
    const { result, resources } = await run();
    assert.deepEqual(Object.keys(result).sort(), ["endpoint", "kubeconfig"]);
    assert.equal(result["endpoint"], "https://10.0.0.11:6444");
    assert.ok(resources.length > 20);
  });

  it("ends with all errors and no stack trace, before it registers any resource", async () => {
    await assert.rejects(run({ topology: "pods", nodse: {} }), (error) => {
      assert.ok(pulumi.RunError.isInstance(error));
      assert.match(
        error.message,
        /^the configuration has 2 errors; nothing was changed:\n {2}nodse: /,
      );
      return true;
    });
  });

  it("runs twice in one process with the same result", async () => {
    const names = async () => (await run()).resources.map(({ urn }) => urn).sort();
    assert.deepEqual(await names(), await names());
  });
});
