import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialBackends, readInitialBackends } from "../../../updater/sources/initial-backends";

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

describe("initialBackends", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = (changes: Partial<Parameters<typeof initialBackends>[0]>) =>
    initialBackends({
      ...{ initialBackendsDir: folder, localAddress: "10.0.0.1", apiPort: 6443 },
      ...changes,
    }).backends;
  const own = { name: "10.0.0.1", address: "10.0.0.1", port: 6443 };

  it("are those of the folder alone by default", () => {
    writeFileSync(join(folder, "m2"), "10.0.0.2:6443\n");
    assert.deepEqual(read({}), [{ name: "m2", address: "10.0.0.2", port: 6443 }]);
  });

  it("have this host's own API server where the settings say so, without a folder too", () => {
    assert.deepEqual(read({ ownBackend: true }), [own]);
    assert.deepEqual(read({ ownBackend: true, initialBackendsDir: join(folder, "none") }), [own]);
  });

  it("name it by its address, as the EndpointSlice does, also an IPv6 one", () => {
    const address = "fd00::1";
    assert.deepEqual(read({ ownBackend: true, localAddress: "FD00:0::1" }), [
      { name: address, address, port: 6443 },
    ]);
  });

  it("have it once when the folder has it", () => {
    writeFileSync(join(folder, "m1"), "10.0.0.1:6443\n");
    assert.deepEqual(read({ ownBackend: true }), [{ ...own, name: "m1" }]);
  });
});
