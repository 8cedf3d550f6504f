import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import {
  checkPackages,
  installPackages,
  PACKAGE_FUNCTIONS,
  removePackages,
  type NeededPackage,
} from "../../../host/packages";
import { HOST_STATE_DIR } from "../../../names";

/** Stand-in for apt-get: prints what it would do, and logs its calls. */
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
  *update*) echo 2.6.12 >"$FAKE/candidate" ;;
  *install*) [ ! -e "$FAKE/broken" ] && touch "$FAKE/bin/haproxy" && chmod +x "$FAKE/bin/haproxy" ;;
  *purge*) rm -f "$FAKE/bin/haproxy" ;;
esac
`;

const APT_CACHE = `#!/bin/sh
version=$(cat "$FAKE/candidate")
printf 'haproxy:\\n  Installed: (none)\\n  Candidate: %s\\n' "\${version:-(none)}"
`;

// the other commands that the scripts need; haproxy is missing
const SYSTEM = "cat sed grep sort head tail mkdir sync rm rmdir touch chmod printf sh";

describe("packages of a host", () => {
  let fake: string;
  let state: string;
  const run = (fragment: string) => {
    const text = `set -eu
say() { echo "$*"; }
warn() { echo "$*" >&2; }
fail() { warn "$@"; exit 1; }
refuse() { fail "$1: $2"; }
${PACKAGE_FUNCTIONS}
${fragment}`.replaceAll(HOST_STATE_DIR, state);
    const env = { ...process.env, FAKE: fake, PATH: `${fake}/bin:${fake}/system` };
    return spawnSync("sh", ["-s"], { input: text, encoding: "utf8", env });
  };
  const stub = (name: string, text: string) => {
    writeFileSync(path.join(fake, "bin", name), text);
    chmodSync(path.join(fake, "bin", name), 0o755);
  };
  const calls = () => readFileSync(path.join(fake, "apt.log"), "utf8");
  const needed: readonly NeededPackage[] = [
    { gives: "haproxy", atLeast: "2.6", because: "tested" },
  ];
  const install = () => run(`${checkPackages(needed, "refuse")}\n${installPackages("x", needed)}`);
  const candidate = (version: string) => writeFileSync(path.join(fake, "candidate"), version);

  beforeEach(() => {
    fake = mkdtempSync(path.join(tmpdir(), "control-plane-lb-packages-"));
    state = path.join(fake, "state");
    mkdirSync(path.join(fake, "bin"));
    mkdirSync(path.join(fake, "system"));
    for (const command of SYSTEM.split(" ")) {
      symlinkSync(`/usr/bin/${command}`, path.join(fake, "system", command));
    }
    stub("apt-get", APT);
    stub("apt-cache", APT_CACHE);
    candidate("2.6.12-1+deb12u4");
    stub("dpkg-query", "#!/bin/sh\nprintf 'ii '\n");
    writeFileSync(path.join(fake, "apt.log"), "");
  });
  afterEach(() => rmSync(fake, { recursive: true, force: true }));

  it("are installed when their command is missing, and only those that apt adds are recorded", () => {
    assert.equal(install().status, 0);
    assert.equal(readFileSync(path.join(state, "packages/x"), "utf8"), "liblua\nhaproxy\n");
  });

  it("are left alone on apply and removal when the host has their command", () => {
    stub("haproxy", "#!/bin/sh\necho 'HAProxy version 3.0.11-1 2025/06/01'\n");
    assert.equal(install().status, 0);
    assert.equal(run(removePackages("x")).status, 0);
    assert.equal(calls(), "");
  });

  it("are purged on removal, with their dependencies", () => {
    install();
    assert.equal(run(removePackages("x")).status, 0);
    assert.match(calls(), /--no-install-recommends purge haproxy liblua *\n$/);
    assert.equal(run(removePackages("x")).status, 0, "again");
  });

  it("stay on removal when other packages need them", () => {
    install();
    writeFileSync(path.join(fake, "needed"), "");
    const { status, stderr } = run(removePackages("x"));
    assert.equal(status, 0);
    assert.match(stderr, /stay, because editor +need them: haproxy liblua/);
    assert.doesNotMatch(calls(), /^(?!.*--simulate).*purge/m);
  });

  it("are recorded even if the installation fails", () => {
    writeFileSync(path.join(fake, "broken"), "");
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(stderr, /package haproxy cannot be installed/);
    assert.match(readFileSync(path.join(state, "packages/x"), "utf8"), /haproxy/);
  });

  it("are refused before anything changes when the one to install is too old", () => {
    candidate("1:2.4.24-0ubuntu0.22.04.1");
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(
      stderr,
      /package haproxy is version 2\.4\.24, but 2\.6 or later is needed: tested: make haproxy 2\.6 or later available/,
    );
    assert.equal(calls(), "");
  });

  it("are refused before anything changes when the installed one is too old", () => {
    stub("haproxy", "#!/bin/sh\necho 'HA-Proxy version 2.2.9-2 2021/02/06'\n");
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(stderr, /command haproxy is version 2\.2\.9, but 2\.6 or later is needed/);
    assert.equal(calls(), "");
  });

  it("are found after a refresh when the package lists are empty", () => {
    candidate("");
    assert.equal(install().status, 0);
    assert.match(calls(), /update\n/);
  });

  it("may have a later version with fewer digits", () => {
    candidate("10.1");
    assert.equal(install().status, 0);
  });

  it("are installed again when dpkg was interrupted before it configured them", () => {
    stub("haproxy", "#!/bin/sh\necho 'HAProxy version 3.0.11-1 2025/06/01'\n");
    stub("dpkg-query", "#!/bin/sh\nprintf 'iF '\n");
    assert.equal(install().status, 0);
    assert.match(calls(), /--no-install-recommends install haproxy\n$/);
  });

  for (const abbreviation of ["iU ", "iF ", "iHR", "rc ", "pi "]) {
    it(`go on removal from dpkg's state "${abbreviation}", too`, () => {
      install();
      stub("dpkg-query", `#!/bin/sh\nprintf '${abbreviation}'\n`);
      assert.equal(run(removePackages("x")).status, 0);
      assert.match(calls(), /--no-install-recommends purge haproxy liblua *\n$/);
    });
  }

  it("are forgotten on removal when they are gone already", () => {
    install();
    stub("dpkg-query", "#!/bin/sh\nprintf 'un '\n");
    assert.equal(run(removePackages("x")).status, 0);
    assert.doesNotMatch(calls(), /purge/);
  });

  it("are left to the operator without a known package manager", () => {
    rmSync(path.join(fake, "bin/apt-get"));
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(
      stderr,
      /no package manager .*: install haproxy 2\.6 or later, then run this again/,
    );
  });
});
