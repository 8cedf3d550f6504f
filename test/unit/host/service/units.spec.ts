import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { haproxyServiceFiles } from "../../../../host/service/haproxy-part";
import { updaterServiceFiles } from "../../../../host/service/updater-part";
import { haproxySettings, updaterSettings } from "./example";

const files = [
  ...haproxyServiceFiles(haproxySettings().ports),
  ...updaterServiceFiles(updaterSettings()),
];
const units = files.filter(({ path }) => path.startsWith("/etc/systemd/system/"));
const services = units.filter(({ path }) => path.endsWith(".service"));
const textOf = (end: string) => units.find(({ path }) => path.endsWith(end))?.content ?? "";

const analyze = (...args: string[]) =>
  spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 60_000 });

describe("units of the services", () => {
  const root = mkdtempSync(path.join(tmpdir(), "control-plane-lb-units-"));
  before(() => {
    for (const { path: file, content } of files) {
      mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
      writeFileSync(path.join(root, file), content, { mode: 0o644 });
    }
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it("are as hardened as promised: below 3.0 for systemd-analyze security", function () {
    if (analyze("--version").status !== 0) this.skip();
    assert.equal(services.length, 4);
    for (const { path: file } of services) {
      const { status, stdout, stderr } = analyze(
        ...["security", "--offline=true", "--threshold=29", "--no-pager", path.join(root, file)],
      );
      assert.equal(status, 0, `${stdout}${stderr}`.split("\n").slice(-5).join("\n"));
    }
  });

  it("are understood by systemd, every line of them", function () {
    if (analyze("--version").status !== 0) this.skip();
    for (const { path: file } of units.filter(({ path }) => !path.endsWith(".conf"))) {
      const { stdout, stderr } = analyze("verify", "--man=no", path.join(root, file));
      // what is wrong here is only that neither HAProxy nor our programs are on this computer
      const complaints = `${stdout}${stderr}`
        .split("\n")
        .filter((line) => line.includes(path.basename(file)))
        .filter((line) => !/is not executable|not found|Failed to create/.test(line));
      assert.deepEqual(complaints, [], file);
    }
  });

  it("run HAProxy and the updater without root", () => {
    assert.match(textOf("-haproxy.service"), /^User=haproxy$/m);
    assert.match(textOf("-updater.service"), /^User=control-plane-lb$/m);
    for (const unit of ["-haproxy.service", "-updater.service"]) {
      assert.match(textOf(unit), /^CapabilityBoundingSet=$/m);
      assert.doesNotMatch(textOf(unit), /^Exec\w+=[-]?[+!]/m);
    }
  });

  it("stop HAProxy softly, restart it always, and have it there before the kubelet", () => {
    const unit = textOf("-haproxy.service");
    for (const line of ["KillSignal=SIGUSR1", "Restart=always", "Before=kubelet.service"]) {
      assert.ok(unit.split("\n").includes(line), line);
    }
  });

  it("allow HAProxy the files that its connections need", () => {
    const limit = (maxConnections: number) => {
      const settings = updaterSettings();
      const haproxy = { ...settings.haproxy, maxConnections };
      const file = updaterServiceFiles({ ...settings, haproxy }).find(({ path }) =>
        path.endsWith("limits.conf"),
      );
      return /^LimitNOFILE=(\d+)$/m.exec(file?.content ?? "")?.[1];
    };
    // two for each connection and each of the 50 to the health port, and HAProxy's own 1000
    assert.equal(limit(4000), "9100");
    assert.equal(limit(10_000), "21100");
  });
});
