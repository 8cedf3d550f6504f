import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { backoffMs } from "../../../updater/backoff";
import { bundleUpdater, MAX_BUNDLE_BYTES } from "../../../updater/bundle";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";

describe("backoffMs", () => {
  it("doubles from 200 ms to at most 5 s, with half of it as jitter", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 100].map((attempt) => backoffMs(attempt, () => 1)),
      [200, 400, 800, 1600, 3200, 5000, 5000],
    );
    const number = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(1000), number, (attempt, random) => {
        const whole = backoffMs(attempt, () => 1);
        const pause = backoffMs(attempt, () => random);
        assert.ok(pause >= whole / 2 - 1 && pause <= whole);
      }),
    );
  });
});

describe("Metrics", () => {
  it("render as Prometheus text, with every kind of error from the start", () => {
    const metrics = new Metrics();
    metrics.revision = '12"\n';
    metrics.countError("api");
    const text = metrics.render();
    assert.match(text, /^control_plane_lb_updater_applied_info\{revision="12"\} 1$/m);
    assert.match(text, /^control_plane_lb_updater_errors_total\{kind="api"\} 1$/m);
    assert.match(text, /^control_plane_lb_updater_errors_total\{kind="reload"\} 0$/m);
    for (const line of text.trim().split("\n")) {
      assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+]+)$/);
    }
  });
});

describe("the log", () => {
  it("has one JSON object in a line, whatever is in the fields", () => {
    const lines: string[] = [];
    createLog((line) => lines.push(line)).warn("refused", { value: "a\nb\u0000" });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.indexOf("\n"), lines[0]!.length - 1);
    assert.equal((JSON.parse(lines[0]) as { value: string }).value, "a\nb\u0000");
  });
});

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

  it("is one small file without dependencies, the same every time", () => {
    const text = bundleUpdater();
    assert.equal(text, bundleUpdater());
    assert.ok(Buffer.byteLength(text) < MAX_BUNDLE_BYTES);
    const required = new Set([...text.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name));
    assert.deepEqual(
      [...required].filter((name) => !name?.startsWith("node:")),
      [],
    );
    assert.ok(!text.includes(process.cwd()), "a path of this computer");
  });

  it("says how it is used, and fails visibly", () => {
    assert.match(run().stderr, /usage: node updater\.js prepare\|run SETTINGS\.json/);
    assert.match(run("dance", "x.json").stderr, /got "dance"/);
    const missing = run("prepare", "x.json");
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /x\.json: cannot be read as JSON/);
  });
});
