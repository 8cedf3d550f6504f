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

  it("are in the file with their slots, those that serve on, and who has answered", () => {
    const lastGood = {
      ...{ savedAtMs: 5, revision: "7", slots: [M1, undefined] },
      ...{ leaving: new Map([[1, M2]]), answered: [{ address: "10.0.0.9", port: 6443 }] },
    };
    saveLastGood(at("l"), lastGood);
    assert.deepEqual(readLastGood(at("l")), lastGood);
  });

  it("are read from the file of an older updater, and without entries that are not valid", () => {
    const older = { version: 1, savedAtMs: 1, revision: "", slots: [M1, null] };
    writeFileSync(at("l"), JSON.stringify(older));
    const expected = { savedAtMs: 1, revision: "", slots: [M1, undefined] };
    const nothing = { leaving: new Map(), answered: [] };
    assert.deepEqual(readLastGood(at("l")), { ...expected, ...nothing });
    for (const value of [7, [7], [[0, M2]], [[9, M2]], [[1, 7]]]) {
      writeFileSync(at("l"), JSON.stringify({ ...older, leaving: value, answered: value }));
      assert.deepEqual(readLastGood(at("l")), { ...expected, ...nothing }, JSON.stringify(value));
    }
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
