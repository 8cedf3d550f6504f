import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readLastGood, saveLastGood } from "../../../updater/apply/last-good";

const M1 = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2 = { name: "m2", address: "10.0.0.2", port: 6443 };

describe("the last good backends", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("keep their slots in the file", () => {
    const lastGood = { savedAtMs: 5, revision: "7", slots: [M1, undefined, M2] };
    saveLastGood(at("l"), lastGood);
    assert.deepEqual(readLastGood(at("l")), lastGood);
  });

  it("are undefined when the file is missing, broken, foreign, or without a backend", () => {
    assert.equal(readLastGood(at("l")), undefined);
    const slots = [{ ...M1, address: "127.0.0.1" }];
    const texts = [
      "",
      "{",
      "[]",
      "{}",
      JSON.stringify({ version: 2, savedAtMs: 1, revision: "", slots: [M1] }),
      JSON.stringify({ version: 1, savedAtMs: 1, revision: "", slots: [] }),
      JSON.stringify({ version: 1, savedAtMs: 1, revision: "", slots }),
    ];
    for (const text of texts) {
      writeFileSync(at("l"), text);
      assert.equal(readLastGood(at("l")), undefined, text);
    }
  });
});
