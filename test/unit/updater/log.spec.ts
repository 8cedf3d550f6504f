import assert from "node:assert/strict";
import { createLog } from "../../../updater/report/log";

describe("the log", () => {
  it("has one JSON object in a line, also for fields with line breaks", () => {
    const lines: string[] = [];
    createLog((line) => lines.push(line)).warn("refused", { value: "a\nb\u0000" });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.indexOf("\n"), lines[0]!.length - 1);
    assert.equal((JSON.parse(lines[0]) as { value: string }).value, "a\nb\u0000");
  });
});
