import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { cloudInit, CLOUD_INIT_SUITES } from "../../lab/src/cloud-init-releases";
import { ensureCommands } from "../../lab/src/packages";
import { cloudConfig } from "../../host/user-data/cloud-config";
import { logToStderr } from "../../tools/src/index";
import { BOOTS } from "../unit/host/user-data/example-boots";

for (const suite of CLOUD_INIT_SUITES) {
  describe(`cloud-init of Debian ${suite}`, function () {
    this.timeout(600_000);
    const folder = mkdtempSync(path.join(tmpdir(), "control-plane-lb-cloud-init-"));
    const file = path.join(folder, "user-data");
    let command: string;
    before(async function () {
      try {
        await ensureCommands(logToStderr, ["mmdebstrap"]);
        command = await cloudInit(suite, logToStderr);
      } catch (error) {
        console.error(`SKIPPED: cloud-init of Debian ${suite} cannot be had: ${String(error)}`);
        this.skip();
      }
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const check = (text: string) => {
      writeFileSync(file, text, { mode: 0o600 });
      const { status, stdout, stderr } = spawnSync(command, ["schema", "--config-file", file], {
        encoding: "utf8",
      });
      return { status, text: `${stdout}${stderr}` };
    };

    for (const [what, boot] of Object.entries(BOOTS)) {
      it(`takes the user data of a ${what}`, () => {
        const { status, text } = check(cloudConfig(boot, { hostname: "m1" }));
        assert.equal(status, 0, text);
        assert.match(text, /^Valid /m);
      });
    }

    it("refuses a key that it does not know", () => {
      const [boot] = Object.values(BOOTS);
      const { status, text } = check(cloudConfig(boot!).replace("permissions", "permission"));
      assert.equal(status, 1);
      assert.match(text, /permission/);
    });
  });
}
