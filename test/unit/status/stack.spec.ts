import assert from "node:assert/strict";
import { readEnvFile } from "../../../stacks/workspace";
import { readStack } from "../../../status/stack";

describe("the stack that the status command reads", () => {
  it("needs the Pulumi CLI", async () => {
    const former = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    try {
      await assert.rejects(
        readStack("no-such-stack", { PULUMI_HOME: "/nonexistent" }),
        /^Error: the Pulumi CLI does not start: install it, or add it to PATH\./,
      );
    } finally {
      process.env["PATH"] = former;
    }
  });

  it("names an --env-file that cannot be read", () => {
    assert.throws(
      () => readEnvFile("/nonexistent/env"),
      /--env-file: cannot read \/nonexistent\/env/,
    );
  });
});
