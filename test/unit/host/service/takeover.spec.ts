import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { servicePaths } from "../../../../host/service/haproxy-paths";
import { FOREIGN_FUNCTIONS, takeoverFunctions } from "../../../../host/service/takeover";
import { HOST_STATE_DIR } from "../../../../names";

const paths = servicePaths(6444);

/** A stand-in for systemctl: records its arguments and answers as the test sets it. */
const SYSTEMCTL = `#!/bin/sh
case "$*" in
  is-enabled*) cat "$FAKE/enabled" ;;
  is-active*) cat "$FAKE/active" ;;
  *) echo "$*" >>"$FAKE/systemctl.log"
     case "$*" in *" mask "*) echo masked >"$FAKE/enabled" ;; esac ;;
esac
`;

describe("the package's HAProxy and its configuration", () => {
  let fake: string;
  const at = (name: string) => path.join(fake, name);
  const config = () => at("etc/haproxy/haproxy.cfg");
  const run = (fragment: string) => {
    const text = `set -eu
warn() { echo "$*" >&2; }
fail() { warn "$@"; exit 1; }
${FOREIGN_FUNCTIONS}
${takeoverFunctions(paths, "haproxy-service-6444")}
${fragment}`
      .replaceAll(HOST_STATE_DIR + "/", at("state/"))
      .replaceAll("/etc/haproxy", at("etc/haproxy"))
      .replaceAll("/etc/systemd/system", at("etc/systemd"))
      .replaceAll("/run/systemd/system", fake);
    const env = { ...process.env, FAKE: fake, PATH: `${fake}/bin:/usr/bin:/bin` };
    return spawnSync("sh", ["-s"], { input: text, encoding: "utf8", env });
  };
  const foreign = () => run("if cfg_foreign; then echo foreign; fi").stdout.trim() === "foreign";
  const systemctlCalls = () =>
    existsSync(at("systemctl.log")) ? readFileSync(at("systemctl.log"), "utf8") : "";
  const packaged = (text: string) => {
    const sum = createHash("md5").update(text).digest("hex");
    const line = ` ${config()} ${sum}`;
    writeFileSync(at("bin/dpkg-query"), `#!/bin/sh\necho '${line}'\n`);
    chmodSync(at("bin/dpkg-query"), 0o755);
  };
  const unit = (enabled: string, active: string) => {
    writeFileSync(at("enabled"), `${enabled}\n`);
    writeFileSync(at("active"), `${active}\n`);
  };
  const putAside = "package_put_aside\nconfiguration_put_aside";
  const restore = "configuration_restore\npackage_restore";

  beforeEach(() => {
    fake = mkdtempSync(path.join(tmpdir(), "control-plane-lb-takeover-"));
    for (const folder of ["bin", "etc/haproxy", "etc/systemd", "state"]) {
      mkdirSync(at(folder), { recursive: true });
    }
    writeFileSync(at("bin/systemctl"), SYSTEMCTL);
    chmodSync(at("bin/systemctl"), 0o755);
    packaged("as installed\n");
    unit("enabled", "active");
  });
  afterEach(() => rmSync(fake, { recursive: true, force: true }));

  it("count as foreign when the file differs from the package's own", () => {
    assert.equal(foreign(), false, "no file at all");
    writeFileSync(config(), "as installed\n");
    assert.equal(foreign(), false, "as installed");
    writeFileSync(config(), "foreign\n");
    assert.equal(foreign(), true, "foreign");
    run(putAside);
    assert.equal(foreign(), false, "ours");
  });

  it("are set aside, and restored on removal", () => {
    writeFileSync(config(), "foreign\n", { mode: 0o640 });
    assert.equal(run(putAside).status, 0);
    assert.equal(readlinkSync(config()), paths.configFile);
    assert.match(systemctlCalls(), /disable --now haproxy.service\n.*mask haproxy.service/);
    assert.equal(run(putAside).status, 0, "again");
    assert.equal(run(restore).status, 0);
    assert.equal(readFileSync(config(), "utf8"), "foreign\n");
    assert.match(
      systemctlCalls(),
      /unmask haproxy.service\n.*enable haproxy.service\nstart haproxy.service\n$/,
    );
    assert.ok(!existsSync(at("state/haproxy-service")));
  });

  it("stay masked by an administrator, and without a file where there was none", () => {
    unit("masked", "inactive");
    run(putAside);
    run(restore);
    assert.ok(!existsSync(config()));
    assert.doesNotMatch(systemctlCalls(), /unmask|enable|start/);
  });

  it("are refused when the unit is an administrator's own", () => {
    writeFileSync(at("etc/systemd/haproxy.service"), "[Service]\n");
    const { status, stderr } = run(putAside);
    assert.equal(status, 1);
    assert.match(stderr, /haproxy.service is not the package's unit: move it away/);
  });
});
