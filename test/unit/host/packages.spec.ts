import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { installPackages, removePackages } from "../../../host/packages";
import { HOST_STATE_DIR } from "../../../names";

/** apt as the scripts see it: what it would do, and what it was told. */
const APT = `#!/bin/sh
echo "$*" >>"$FAKE/apt.log"
case "$*" in
  *--simulate*install*)
    echo "Inst liblua (5.3 Debian [amd64])"
    echo "Inst libssl [3.0.1] (3.0.2 Debian [amd64])"
    echo "Inst haproxy (2.6 Debian [amd64])" ;;
  *--simulate*purge*)
    echo "Purg haproxy [2.6]"
    echo "Purg liblua [5.3]"
    [ ! -e "$FAKE/needed" ] || echo "Purg editor [1.0]" ;;
  *install*) [ ! -e "$FAKE/broken" ] && touch "$FAKE/bin/haproxy" && chmod +x "$FAKE/bin/haproxy" ;;
  *purge*) rm -f "$FAKE/bin/haproxy" ;;
esac
`;

describe("packages of a host", () => {
  let fake: string;
  let state: string;
  const run = (fragment: string) => {
    const text = `set -eu
say() { echo "$*"; }
warn() { echo "$*" >&2; }
fail() { warn "$@"; exit 1; }
${fragment.replaceAll(HOST_STATE_DIR, state)}`;
    const env = { ...process.env, FAKE: fake, PATH: `${fake}/bin:/usr/bin:/bin` };
    return spawnSync("sh", ["-s"], { input: text, encoding: "utf8", env });
  };
  const stub = (name: string, text: string) => {
    writeFileSync(path.join(fake, "bin", name), text);
    chmodSync(path.join(fake, "bin", name), 0o755);
  };
  const told = () => readFileSync(path.join(fake, "apt.log"), "utf8");
  // a name that no computer has as a command
  const install = () => run(installPackages("x", [{ command: "haproxy", package: "haproxy" }]));

  beforeEach(() => {
    fake = mkdtempSync(path.join(tmpdir(), "control-plane-lb-packages-"));
    state = path.join(fake, "state");
    mkdirSync(path.join(fake, "bin"));
    stub("apt-get", APT);
    stub("dpkg-query", "#!/bin/sh\nprintf 'ii '\n");
    writeFileSync(path.join(fake, "apt.log"), "");
  });
  afterEach(() => rmSync(fake, { recursive: true, force: true }));

  it("are installed when their command is missing; what apt adds is written down, what it upgrades is not ours", () => {
    assert.equal(install().status, 0);
    assert.equal(readFileSync(path.join(state, "packages/x"), "utf8"), "liblua\nhaproxy\n");
  });

  it("that are there are left alone, and so are they on removal", () => {
    stub("haproxy", "#!/bin/sh\n");
    assert.equal(install().status, 0);
    assert.equal(run(removePackages("x")).status, 0);
    assert.equal(told(), "");
  });

  it("go again on removal, with what came with them", () => {
    install();
    assert.equal(run(removePackages("x")).status, 0);
    assert.match(told(), /--no-install-recommends purge haproxy liblua *\n$/);
    assert.equal(run(removePackages("x")).status, 0, "again");
  });

  it("stay when others have come to need them", () => {
    install();
    writeFileSync(path.join(fake, "needed"), "");
    const { status, stderr } = run(removePackages("x"));
    assert.equal(status, 0);
    assert.match(stderr, /stay, because editor +need them: haproxy liblua/);
    assert.doesNotMatch(told(), /^(?!.*--simulate).*purge/m);
  });

  it("are remembered although the installation failed half-way", () => {
    writeFileSync(path.join(fake, "broken"), "");
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(stderr, /package haproxy cannot be installed/);
    assert.match(readFileSync(path.join(state, "packages/x"), "utf8"), /haproxy/);
  });

  it("are asked of the operator where there is no apt", () => {
    rmSync(path.join(fake, "bin/apt-get"));
    const text = installPackages("x", [{ command: "no-such-command", package: "nothing" }]);
    const { status, stderr } = run(`PATH=${fake}/bin\n${text}`);
    assert.equal(status, 1);
    assert.match(stderr, /no apt-get to install it: install nothing, then run this again/);
  });
});
