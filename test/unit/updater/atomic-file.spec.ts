import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeLeftovers, writeFileAtomically } from "../../../updater/apply/atomic-file";

describe("writeFileAtomically", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("replaces the file and leaves nothing else", () => {
    writeFileAtomically(at("f"), "one");
    writeFileAtomically(at("f"), "two", { durable: false });
    assert.equal(readFileSync(at("f"), "utf8"), "two");
    assert.deepEqual(readdirSync(folder), ["f"]);
  });

  it("keeps the old file when the check refuses the new one", () => {
    writeFileAtomically(at("f"), "good");
    const check = (file: string): void => {
      assert.equal(readFileSync(file, "utf8"), "bad");
      throw new Error("no");
    };
    assert.throws(() => writeFileAtomically(at("f"), "bad", { check }), /no/);
    assert.equal(readFileSync(at("f"), "utf8"), "good");
    assert.deepEqual(readdirSync(folder), ["f"]);
  });

  it("keeps the old file when the disk has room for a part of the new one", () => {
    writeFileAtomically(at("f"), "good");
    const module = join(__dirname, "../../../updater/apply/atomic-file");
    const program = `require("tsx/cjs");
      require(${JSON.stringify(module)}).writeFileAtomically(${JSON.stringify(at("f"))}, "x\\n".repeat(20000));`;
    // A limit of 16 blocks: the first write is short, and only the second one fails.
    const run = spawnSync("sh", ["-c", 'ulimit -f 16; exec node -e "$1"', "sh", program], {
      encoding: "utf8",
      env: { ...process.env, TSX_DISABLE_CACHE: "1" },
    });
    assert.match(run.stderr, /EFBIG/);
    assert.equal(readFileSync(at("f"), "utf8"), "good");
    assert.deepEqual(readdirSync(folder), ["f"]);
  });

  it("removes the temporary files of a killed writer alone", () => {
    for (const name of [".f.123.new", ".other.123.new", "f"]) writeFileSync(at(name), "");
    removeLeftovers(at("f"));
    assert.deepEqual(readdirSync(folder).sort(), [".other.123.new", "f"]);
  });
});
