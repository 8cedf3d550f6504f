import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { forwardPart } from "../../../host/forward/forward-part";
import { filesOf } from "../../../host/part";
import { haproxyPart } from "../../../host/service/haproxy-part";
import { servicePaths } from "../../../host/service/haproxy-paths";
import { updaterPart } from "../../../host/service/updater-part";
import { virtualIpPart } from "../../../host/virtual-ip/virtual-ip-part";
import {
  forwardSettings,
  haproxySettings,
  updaterSettings,
  virtualIpSettings,
} from "./example-parts";

const paths = servicePaths(6444);
const files = [
  forwardPart(forwardSettings({ kind: "iptables" })),
  haproxyPart(haproxySettings()),
  updaterPart(updaterSettings()),
  virtualIpPart(virtualIpSettings()),
].flatMap(filesOf);
const units = files.filter(({ path }) => path.startsWith("/etc/systemd/system/"));
const services = units.filter(({ path }) => path.endsWith(".service"));
const textOf = (end: string) => units.find(({ path }) => path.endsWith(end))?.content ?? "";

const analyze = (...args: string[]) =>
  spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 60_000 });

describe("ports of a host", () => {
  for (const [what, part] of Object.entries({
    "the forward, for HAProxy's pod too": forwardPart(forwardSettings()),
    "HAProxy's service": haproxyPart(haproxySettings()),
  })) {
    it(`are recorded for ${what}: no other stack gets them`, () => {
      assert.deepEqual(part.ports, [6444, 6445]);
    });
  }
});

describe("units of a host", () => {
  const root = mkdtempSync(path.join(tmpdir(), "control-plane-lb-units-"));
  before(() => {
    for (const { path: file, content } of files) {
      mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
      writeFileSync(path.join(root, file), content, { mode: 0o644 });
    }
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it("stay below 3.0 for systemd-analyze security", function () {
    if (analyze("--version").status !== 0) this.skip();
    assert.equal(services.length, 8);
    for (const { path: file } of services) {
      const { status, stdout, stderr } = analyze(
        ...["security", "--offline=true", "--threshold=29", "--no-pager", path.join(root, file)],
      );
      assert.equal(status, 0, `${stdout}${stderr}`.split("\n").slice(-5).join("\n"));
    }
  });

  it("pass systemd-analyze verify", function () {
    if (analyze("--version").status !== 0) this.skip();
    for (const { path: file } of units.filter(({ path }) => !path.endsWith(".conf"))) {
      const { stdout, stderr } = analyze("verify", "--man=no", path.join(root, file));
      // HAProxy and our programs are not on this machine
      const complaints = `${stdout}${stderr}`
        .split("\n")
        .filter((line) => line.includes(path.basename(file)))
        .filter((line) => !/is not executable|not found|Failed to create/.test(line));
      assert.deepEqual(complaints, [], file);
    }
  });

  it("run HAProxy and the updater without root", () => {
    assert.match(textOf("-haproxy-6444.service"), /^User=haproxy$/m);
    assert.match(textOf("-updater-6444.service"), /^User=control-plane-lb$/m);
    for (const unit of ["-haproxy-6444.service", "-updater-6444.service"]) {
      assert.match(textOf(unit), /^CapabilityBoundingSet=$/m);
      const asRoot = textOf(unit).match(/^Exec\w+=[-]?[+!].*/gm);
      assert.deepEqual(asRoot, [`ExecStartPre=+${paths.addressProgram}`], unit);
    }
  });

  it("read the host's address where only root writes", () => {
    const folder = paths.addressDir;
    const tmpfiles = files.filter(({ path }) => path.startsWith("/etc/tmpfiles.d/"));
    const lines = tmpfiles.flatMap(({ content }) => content.split("\n"));
    assert.deepEqual(
      lines.filter((line) => line.startsWith(`d ${folder} `)),
      [`d ${folder} 0755 root root -`],
    );
    for (const { content } of units)
      assert.doesNotMatch(content, /EnvironmentFile=-?\/run\/[^/]*lb\//);
  });

  it("let HAProxy listen on a port below 1024 by that capability alone", () => {
    const ports = { lb: 443, health: 6445 };
    const unit = filesOf(haproxyPart(haproxySettings({ ports }))).find(({ path }) =>
      path.endsWith("-haproxy-443.service"),
    );
    for (const key of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
      const line = new RegExp(`^${key}=(.*)$`, "m").exec(unit?.content ?? "");
      assert.equal(line?.[1], "CAP_NET_BIND_SERVICE", key);
    }
  });

  it("let the watchdog ask HAProxy over loopback, where no other machine takes its places", () => {
    const program = files.find(({ path }) => path.endsWith("/haproxy-watch"))?.content ?? "";
    assert.match(program, /curl .* http:\/\/127\.0\.64\.45:6445\/healthz/);
  });

  it("bound the fallback listener's processes and memory, so that a flood costs connections alone", () => {
    for (const kind of ["nftables", "iptables", "socat"] as const) {
      const part = filesOf(forwardPart(forwardSettings({ kind })));
      const unit = part.find(({ path }) => path.endsWith("-forward.service"))?.content ?? "";
      const program = part.find(({ path }) => path.endsWith("/forward-listener"))?.content ?? "";
      const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1]);
      const children = number(program, /max-children=(\d+)/);
      const tasks = number(unit, /^TasksMax=(\d+)$/m);
      const kib = number(unit, /^MemoryMax=(\d+)M$/m) * 1024;
      assert.ok(children >= 2000 && tasks > children, `${kind}: ${children} of ${tasks}`);
      // measured: 181 KiB each
      assert.ok(kib > 200 * children && kib <= 3 * 1024 * 1024, `${kind}: ${kib} KiB`);
      assert.doesNotMatch(unit, /^OOMScoreAdjust=-/m, kind);
    }
  });

  for (const [what, line] of [
    ["stop gracefully", "KillSignal=SIGUSR1"],
    ["restart always", "Restart=always"],
    ["start before the kubelet", "Before=kubelet.service"],
  ] as const) {
    it(`let HAProxy ${what}`, () => {
      assert.ok(textOf("-haproxy-6444.service").split("\n").includes(line));
    });
  }

  it("start the virtual IP after what serves the LB port, so that it leaves a host first", () => {
    const after = (behind: "service" | "forward") => {
      const part = virtualIpPart(virtualIpSettings({ behind }));
      const text = part.units?.[0]?.text ?? "";
      assert.match(text, /^Before=kubelet.service$/m);
      return /^After=(.*)$/m.exec(text)?.[1];
    };
    assert.equal(after("service"), "network-online.target control-plane-lb-haproxy-6444.service");
    assert.equal(
      after("forward"),
      "network-online.target control-plane-lb-forward.service control-plane-lb-forward-rules.service",
    );
  });

  it("let the virtual IP leave before an orderly stop of HAProxy", () => {
    const dropIn = textOf("/control-plane-lb-haproxy-6444.service.d/virtual-ip.conf");
    assert.match(dropIn, /^ExecStop=-\+\/opt\/control-plane-lb\/6444\/virtual-ip hand-over$/m);
  });

  it("start the forward before the kubelet", () => {
    for (const unit of ["-forward.service", "-forward-rules.service"]) {
      assert.match(textOf(unit), /^Before=kubelet.service$/m, unit);
    }
  });

  it("allow HAProxy the open files that its connections need", () => {
    const limit = (maxConnections: number) => {
      const settings = updaterSettings();
      const haproxy = { ...settings.haproxy, maxConnections };
      const file = filesOf(updaterPart({ ...settings, haproxy })).find(({ path }) =>
        path.endsWith("limits.conf"),
      );
      return /^LimitNOFILE=(\d+)$/m.exec(file?.content ?? "")?.[1];
    };
    // two for each connection and each of the 100 to the health port, and HAProxy's own 1000
    assert.equal(limit(4000), "9200");
    assert.equal(limit(10_000), "21200");
  });
});
