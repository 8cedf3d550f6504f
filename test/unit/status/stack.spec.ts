import assert from "node:assert/strict";
import { readStackSettings } from "../../../status/stack";

describe("the stack that status reads", () => {
  const former = process.env["PATH"];

  afterEach(() => {
    process.env["PATH"] = former;
  });

  it("is asked for in words where no lab runs it and there is no Pulumi", async () => {
    process.env["PATH"] = "/nonexistent";
    await assert.rejects(
      readStackSettings("no-such-stack", () => undefined),
      /^Error: no lab runs the stack no-such-stack, .*: install the Pulumi CLI, or add it to PATH$/,
    );
  });
});
