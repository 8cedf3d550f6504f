import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { after, describe, it } from "mocha";
import { recordResources } from "../../pulumi-test-utils/src/index";
import { program } from "../../stacks/program";
import { kubeconfig } from "../support/certificates";
import { StackConfig } from "../support/stack-config";

describe("the program", () => {
  const config = new StackConfig("mine");
  after(() => config.remove());

  const run = (changes: Record<string, unknown> = {}) =>
    recordResources(program, {
      project: "mine",
      config: config.with(changes),
      outputs: (_, name) => ({
        stdout: name.endsWith("-kubeconfig") ? kubeconfig("https://lb.example:6444") : "",
      }),
    });

  it("reads the stack's configuration and returns the outputs", async () => {
    const { result, resources } = await run();
    assert.deepEqual(Object.keys(result).sort(), ["endpoint", "kubeconfig", "kubeconfigExpires"]);
    assert.equal(result["endpoint"], "https://lb.example:6444");
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
