import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleUpdater, MAX_BUNDLE_BYTES } from "../../../updater/bundle";

describe("bundleUpdater", function () {
  this.timeout(120_000);
  let folder: string;
  let script: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "updater-bundle-"));
    script = join(folder, "updater.js");
    writeFileSync(script, bundleUpdater());
  });
  after(() => rmSync(folder, { recursive: true }));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [script, ...args], { encoding: "utf8", cwd: folder });

  it("is one small file without dependencies, with equal bytes each time", () => {
    const text = bundleUpdater();
    assert.equal(text, bundleUpdater());
    assert.ok(Buffer.byteLength(text) < MAX_BUNDLE_BYTES);
    const required = new Set([...text.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name));
    assert.deepEqual(
      [...required].filter((name) => !name?.startsWith("node:")),
      [],
    );
    assert.ok(!text.includes(process.cwd()), "a path of this machine");
  });

  it("prints its usage or its error, and fails", () => {
    assert.match(run().stderr, /usage: node updater\.js prepare\|run SETTINGS\.json/);
    assert.match(run("dance", "x.json").stderr, /got "dance"/);
    const missing = run("prepare", "x.json");
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /x\.json: cannot be read as JSON/);
  });
});
