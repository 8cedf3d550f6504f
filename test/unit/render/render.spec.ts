import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "mocha";
import { sizesTable } from "../../../render/sizes";
import { userDataIn } from "../../../render/user-data";

describe("npm run render", () => {
  it("takes the user data of a stack's machines", () => {
    const found = userDataIn("dev", { userData: { m1: "#cloud-config\n", "lb-1": "x" } });
    assert.deepEqual(
      [...found],
      [
        ["m1", "#cloud-config\n"],
        ["lb-1", "x"],
      ],
    );
  });

  it("says what a stack without user data lacks", () => {
    assert.throws(() => userDataIn("dev", {}), /stack dev has no output userData: set bootstrap/);
  });

  it("writes nowhere but into the folder", () => {
    assert.throws(
      () => userDataIn("dev", { userData: { "../x": "" } }),
      /expected a text for each/,
    );
  });

  it("shows sizes and the limits that they fit, plain and in gzip", () => {
    const random = randomBytes(20_000).toString("hex");
    const table = sizesTable(
      new Map([
        ["m1", "x".repeat(16_384)],
        ["m10", random],
        ["lb1", "x".repeat(70_000)],
      ]),
    );
    assert.deepEqual(
      table
        .split("\n")
        .map((line) => line.split(/ {2,}/))
        .map(([name, size, fits, , packed]) => [name, size, fits, packed]),
      [
        ["machine", "plain", "fits", "fits"],
        ["m1", "16.0 KiB", "16 KiB", "16 KiB"],
        ["m10", "39.1 KiB", "64 KiB", "32 KiB"],
        ["lb1", "68.4 KiB", "over 64 KiB", "16 KiB"],
      ],
    );
  });
});
