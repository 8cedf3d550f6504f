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
