import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyBinaryScript } from "../../../pod/binary-script";
import { mountedScript } from "../../../pod/mounted-script";
import { assertSoundSh } from "../shell";

const scripts: Record<string, string> = {
  "the copy of the binary": copyBinaryScript("/opt/haproxy"),
  "HAProxy with a mounted configuration": mountedScript({
    mounted: "/etc/control-plane-lb/haproxy",
    configFile: "/etc/haproxy/haproxy.cfg",
    stateFile: "/run/haproxy/server-state",
    adminSocket: "/run/haproxy/admin.sock",
  }),
};

describe("scripts in the pods", () => {
  for (const [name, text] of Object.entries(scripts)) {
    it(`${name}: is sound POSIX sh`, () => assertSoundSh(text));

    it(`${name}: means the same after kubelet has expanded it`, () => {
      // kubelet expands the commands of containers: $$ becomes $, and $(HOST_IP) the variable's value
      assert.equal(/\$\$|\$\(HOST_IP\)/.exec(text), null);
    });
  }
});

describe("the copy of the binary", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "copy-binary-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const copy = (PATH: string, target = join(folder, "target")) => {
    mkdirSync(join(folder, "target"), { recursive: true });
    const script = copyBinaryScript(target);
    return spawnSync("/bin/sh", ["-c", script], { env: { PATH }, encoding: "utf8" });
  };

  it("never keeps the pod from starting, and says why there is none", () => {
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/haproxy"), "no ELF file");
    chmodSync(join(folder, "bin/haproxy"), 0o755);
    const bin = `${folder}/bin:/usr/bin:/bin`;
    const cases: [string, string | undefined, RegExp][] = [
      ["/usr/bin:/bin", undefined, /there is no haproxy on the PATH/],
      [bin, undefined, /no dynamic loader of this image takes/],
      [`${folder}/bin`, undefined, /will not be checked/],
    ];
    for (const [path, target, reason] of cases) {
      const run = copy(path, target);
      assert.equal(run.status, 0, run.stderr);
      assert.match(run.stderr, reason);
      assert.deepEqual(readdirSync(join(folder, "target")), []);
    }
  });
});
