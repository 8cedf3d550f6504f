import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyBinaryScript } from "../../../pod/binary-script";
import { handoverScript } from "../../../pod/handover-script";
import { mountedScript } from "../../../pod/mounted-script";
import { waitUntil } from "../../../tools/src/index";
import { assertSoundSh } from "../shell";

const scripts: Record<string, string> = {
  "the copy of the binary": copyBinaryScript("/opt/haproxy"),
  "the pre-stop handover": handoverScript(),
  "HAProxy with a mounted configuration": mountedScript({
    mounted: "/etc/control-plane-lb/haproxy",
    configFile: "/etc/haproxy/haproxy.cfg",
    stateFile: "/run/haproxy/server-state",
    adminSocket: "/run/haproxy/admin.sock",
    caFile: "/etc/control-plane-lb/ca/ca.crt",
  }),
};

describe("scripts in the pods", () => {
  for (const [name, text] of Object.entries(scripts)) {
    it(`${name}: is sound POSIX sh`, () => assertSoundSh(text));

    it(`${name}: is unchanged by kubelet's expansion`, () => {
      // Kubelet expands $$ and $(HOST_IP) in the commands of containers.
      assert.equal(/\$\$|\$\(HOST_IP\)/.exec(text), null);
    });
  }
});

describe("the copy of the binary", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "copy-binary-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const copy = (PATH: string) => {
    mkdirSync(join(folder, "target"), { recursive: true });
    const script = copyBinaryScript(join(folder, "target"));
    return spawnSync("/bin/sh", ["-c", script], { env: { PATH }, encoding: "utf8" });
  };

  it("exits with 0 and prints the reason when there is none, so that the pod starts", () => {
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/haproxy"), "no ELF file");
    chmodSync(join(folder, "bin/haproxy"), 0o755);
    const bin = `${folder}/bin:/usr/bin:/bin`;
    const cases: [string, RegExp][] = [
      ["/usr/bin:/bin", /there is no haproxy on the PATH/],
      [bin, /no dynamic loader of this image takes/],
      [`${folder}/bin`, /will not be checked/],
    ];
    for (const [path, reason] of cases) {
      const run = copy(path);
      assert.equal(run.status, 0, run.stderr);
      assert.match(run.stderr, reason);
      assert.deepEqual(readdirSync(join(folder, "target")), []);
    }
  });
});

describe("the pre-stop handover", () => {
  const folder = mkdtempSync(join(tmpdir(), "handover-"));
  after(() => rmSync(folder, { recursive: true }));

  /** A folder as PATH with `sleep` and these stand-ins, which write their name to a file. */
  const run = (...programs: string[]) => {
    const bin = mkdtempSync(join(folder, "bin-"));
    for (const name of ["sleep", ...programs]) {
      writeFileSync(join(bin, name), `#!/bin/sh\n: >${bin}/ran-${name}\n`, { mode: 0o755 });
    }
    const { status, stderr } = spawnSync("/bin/sh", ["-c", handoverScript()], {
      env: { PATH: bin },
      encoding: "utf8",
    });
    return { bin, status, stderr };
  };

  for (const program of ["bash", "nc", "wget"]) {
    it(`uses ${program} where the image has no other`, async () => {
      const { bin, status, stderr } = run(program);
      assert.deepEqual([status, stderr], [0, ""]);
      // in the background
      await waitUntil(`${program} to run`, { seconds: 20, everyMs: 20 }, () =>
        existsSync(join(bin, `ran-${program}`)),
      );
    });
  }

  it("ends with 0 and prints the reason where the image has none", () => {
    const { status, stderr } = run();
    assert.equal(status, 0);
    assert.match(stderr, /no bash, nc or wget/);
  });
});
