import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensurePulumiHome } from "../../pulumi-test-utils/src/index";
import { isNewEnough } from "../../pulumi-test-utils/src/home/home";

describe("ensurePulumiHome", () => {
  it("makes one home when two ask at once, and nothing half stays", async function () {
    this.timeout(300_000);
    const before = process.env["XDG_CACHE_HOME"];
    // the engine itself stays where it is built
    const { home: known } = await ensurePulumiHome(() => undefined, { plugins: "stand-in" });
    const bin = path.join(known, "bin");
    const cache = mkdtempSync(path.join(tmpdir(), "home-spec-"));
    const oldPath = process.env["PATH"];
    try {
      process.env["XDG_CACHE_HOME"] = cache;
      process.env["PATH"] = `${bin}${path.delimiter}${oldPath}`;
      const ask = () => ensurePulumiHome(() => undefined, { plugins: "stand-in" });
      const [first, second] = await Promise.all([ask(), ask()]);
      assert.equal(first.home, second.home);
      assert.deepEqual(first.plugins, { command: "stand-in", kubernetes: "stand-in" });
      const entries = readdirSync(path.join(cache, "control-plane-lb"));
      assert.deepEqual(entries.sort(), [path.basename(first.home), "pulumi-home.lock"]);
    } finally {
      process.env["PATH"] = oldPath;
      if (before === undefined) delete process.env["XDG_CACHE_HOME"];
      else process.env["XDG_CACHE_HOME"] = before;
      rmSync(cache, { recursive: true, force: true });
    }
  });

  it("is that of the engine whose child asks", async () => {
    const parent = await ensurePulumiHome(() => undefined, { plugins: "stand-in" });
    const before = process.env["PULUMI_HOME"];
    process.env["PULUMI_HOME"] = parent.home;
    try {
      assert.deepEqual(await ensurePulumiHome(() => undefined), parent);
    } finally {
      if (before === undefined) delete process.env["PULUMI_HOME"];
      else process.env["PULUMI_HOME"] = before;
    }
  });

  it("takes a pulumi of the same major version that is not older", () => {
    assert.ok(isNewEnough("v3.259.0", "3.259.0"));
    assert.ok(isNewEnough("v3.260.1", "3.259.2"));
    assert.ok(!isNewEnough("v3.258.9", "3.259.0"));
    assert.ok(!isNewEnough("v4.0.0", "3.259.0"));
    assert.ok(!isNewEnough("", "3.259.0"));
  });
});
