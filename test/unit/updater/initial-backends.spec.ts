import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readInitialBackends } from "../../../updater/sources/initial-backends";

describe("readInitialBackends", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("follows kubelet's links to the dated folder, and takes its time", () => {
    mkdirSync(at("backends/..2026_11_24"), { recursive: true });
    writeFileSync(at("backends/..2026_11_24/m1"), "10.0.0.1:6443\n");
    symlinkSync("..2026_11_24", at("backends/..data"));
    symlinkSync("..data/m1", at("backends/m1"));
    utimesSync(at("backends/..2026_11_24"), 1000, 1000);
    assert.deepEqual(readInitialBackends(at("backends")), {
      data: { m1: "10.0.0.1:6443" },
      writtenAtMs: 1_000_000,
    });
  });

  it("returns undefined when the folder is missing or empty", () => {
    assert.equal(readInitialBackends(at("backends")), undefined);
    mkdirSync(at("backends"));
    assert.equal(readInitialBackends(at("backends")), undefined);
  });
});
