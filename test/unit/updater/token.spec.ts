import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { tokenFingerprint, TokenReader } from "../../../updater/sources/token";

describe("the updater's token", () => {
  let folder: string;
  let tokenFile: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-token-"));
    tokenFile = path.join(folder, "token");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("comes from a file, also after a rotation", () => {
    const reader = new TokenReader({ tokenFile });
    assert.equal(reader.present(), false);
    writeFileSync(tokenFile, "first\n");
    assert.equal(reader.present(), true);
    assert.equal(reader.readForSync(), "first");
    assert.equal(reader.changed(), false);
    writeFileSync(tokenFile, "second\n");
    assert.equal(reader.changed(), true);
    assert.equal(reader.readForSync(), "second");
    assert.equal(reader.changed(), false);
  });

  it("may be a bootstrap token, which is no JWT", () => {
    writeFileSync(tokenFile, "abcdef.0123456789abcdef\n");
    const reader = new TokenReader({ tokenFile });
    assert.equal(reader.read(), "abcdef.0123456789abcdef");
    reader.readForSync();
    const fingerprint = reader.syncedWith(-1);
    assert.equal(fingerprint, tokenFingerprint("abcdef.0123456789abcdef"));
    assert.ok(!"abcdef.0123456789abcdef".includes(fingerprint ?? ""));
  });

  it("comes from the environment, and is removed there", () => {
    const environment: Record<string, string> = { TOKEN: "secret", OTHER: "kept" };
    const reader = new TokenReader({ tokenFile, tokenVariable: "TOKEN" }, environment);
    assert.equal(reader.read(), "secret");
    assert.deepEqual(environment, { OTHER: "kept" });
  });

  it("is missing when its variable is, even if the file has one", () => {
    writeFileSync(tokenFile, "first\n");
    const reader = new TokenReader({ tokenFile, tokenVariable: "TOKEN" }, {});
    assert.equal(reader.present(), false);
    assert.throws(() => reader.read(), {
      message: "the environment variable TOKEN holds no token",
    });
  });

  it("is never part of a message", () => {
    writeFileSync(tokenFile, "two words\n");
    assert.throws(
      () => new TokenReader({ tokenFile }).read(),
      (error: Error) => {
        assert.ok(!error.message.includes("words"), error.message);
        return true;
      },
    );
  });

  it("counts as used only after a sync that followed its reading", () => {
    writeFileSync(tokenFile, "first\n");
    const reader = new TokenReader({ tokenFile });
    assert.equal(reader.syncedWith(undefined), null);
    assert.equal(reader.syncedWith(0), null);
    reader.readForSync();
    assert.equal(reader.syncedWith(1), null);
    assert.equal(reader.syncedWith(0), tokenFingerprint("first"));
    reader.readForSync();
    assert.equal(reader.syncedWith(0), tokenFingerprint("first"), "another connection later");
  });
});
