import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { updaterPart } from "../../../../host/service/updater-part";
import { makeIntermediateCa } from "../../../haproxy/support/certificates";
import { updaterSettings } from "../example-parts";

describe("updaterPart", () => {
  it("refuses an intermediate CA without its root, and says where to append it", () => {
    const folder = mkdtempSync(join(tmpdir(), "updater-part-"));
    try {
      const { intermediate, root } = makeIntermediateCa(folder);
      assert.throws(
        () => updaterPart(updaterSettings({ caCert: intermediate })),
        /"CN=test-root", which is not there.*Append the root's certificate to ca\.crt of the/,
      );
      updaterPart(updaterSettings({ caCert: `${intermediate}${root}` }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
