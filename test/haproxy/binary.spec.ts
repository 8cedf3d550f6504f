import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkCommand, copyBinaryScript } from "../../pod/binary-script";
import { renderHaproxyConfig } from "../../haproxy/config";
import { makeHaproxyRoot } from "../../lab/src/image-roots";
import { checkWith, RefusedConfigError } from "../../updater/apply/check-config";
import { writeFileAtomically } from "../../updater/apply/atomic-file";
import { createLog } from "../../updater/report/log";
import { Metrics } from "../../updater/report/metrics";
import { Reporter } from "../../updater/report/reporter";
import { BINARIES, Rig } from "./support/rig";

const UID = 99;
const FOLDER = "/opt/haproxy";

for (const binary of BINARIES) {
  describe(`the copy of HAProxy ${binary.version} from its image`, function () {
    this.timeout(180_000);
    let root: string;
    let rig: Rig;
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    const metrics = new Metrics();
    const context = { log, metrics, report: new Reporter({ log, metrics }) };

    before(async () => {
      root = mkdtempSync(join(tmpdir(), "haproxy-image-"));
      await makeHaproxyRoot(root, dirname(binary.command[0] ?? ""));
      mkdirSync(join(root, FOLDER), { recursive: true });
      chownSync(join(root, FOLDER), UID, UID);
      rig = await Rig.create(binary);
    });
    after(async () => {
      await rig?.stop();
      rmSync(root, { recursive: true, force: true });
    });

    /** Runs like the init container: in the image, as HAProxy's user. */
    const copy = (script = copyBinaryScript(FOLDER), path = "/usr/local/sbin:/usr/bin:/bin") =>
      spawnSync("/usr/sbin/chroot", [`--userspec=${UID}:${UID}`, root, "/bin/sh", "-c", script], {
        env: { PATH: path },
        encoding: "utf8",
      });
    const command = (): string[] => checkCommand(join(root, FOLDER));
    const write = (text: string): void =>
      writeFileAtomically(rig.settings.configFile, text, { check: checkWith(command(), context) });
    const good = (connectMs: number): string => {
      const { haproxy } = rig.settings;
      const timeouts = { ...haproxy.timeouts, connectMs };
      return renderHaproxyConfig({ ...haproxy, timeouts }, [
        { name: "m1", address: "10.0.0.11", port: 6443 },
      ]);
    };

    it("runs outside of the image with its own loader", () => {
      const made = copy();
      assert.equal(`${made.stdout}${made.stderr}`, "");
      const [loader = "", ...args] = command();
      const run = spawnSync(loader, [...args.slice(0, -2), "-v"], { encoding: "utf8", env: {} });
      assert.match(run.stdout, new RegExp(`HAProxy version ${binary.version}`));
      // It works in a root that contains nothing but the copy.
      const empty = join(root, FOLDER, "copy");
      const alone = execFileSync(
        "/usr/sbin/chroot",
        [empty, "/loader", "--library-path", "/lib", "/haproxy", "-v"],
        { encoding: "utf8" },
      );
      assert.match(alone, new RegExp(`HAProxy version ${binary.version}`));
    });

    it("can be made again, and leaves no partial copy", () => {
      const half = join(root, FOLDER, ".new/lib");
      mkdirSync(half, { recursive: true });
      writeFileSync(join(half, "libhalf.so"), "");
      chownSync(join(root, FOLDER, ".new"), UID, UID);
      chownSync(half, UID, UID);
      const former = statSync(command()[0] ?? "").ctimeMs;
      assert.equal(copy().stderr, "");
      assert.notEqual(statSync(command()[0] ?? "").ctimeMs, former);
      assert.equal(existsSync(join(root, FOLDER, ".new")), false);
      assert.equal(existsSync(join(root, FOLDER, "copy/lib/libhalf.so")), false);
    });

    it("accepts a valid file, and refuses an invalid one with HAProxy's message", () => {
      process.env["HOST_IP"] = "127.0.0.1";
      try {
        write(good(700));
        write(good(800));
        const before = readFileSync(rig.settings.configFile, "utf8");
        assert.match(before, /timeout connect 800ms/);
        assert.throws(
          () => write(good(900).replace("retries 3", "retrise 3")),
          (error: Error) =>
            error instanceof RefusedConfigError && /unknown keyword 'retrise'/.test(error.message),
        );
        assert.equal(readFileSync(rig.settings.configFile, "utf8"), before);
      } finally {
        delete process.env["HOST_IP"];
      }
      // HAProxy's own address comes from the environment.
      assert.throws(() => write(good(900)), /HOST_IP is not set/);
      assert.deepEqual(lines, []);
      assert.equal(metrics.configCheckAvailable, true);
    });

    it("is missing after a failed copy: files are written without a check, which is reported", () => {
      const failed = copy(copyBinaryScript(FOLDER), "/usr/bin:/bin");
      assert.equal(failed.status, 0);
      assert.match(failed.stderr, /there is no haproxy on the PATH .*will not be checked/);
      write("unchecked\n");
      assert.equal(readFileSync(rig.settings.configFile, "utf8"), "unchecked\n");
      assert.match(lines.at(-1) ?? "", /WITHOUT a check/);
      assert.equal(metrics.configCheckAvailable, false);
    });
  });
}
