import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { haproxyProgram } from "../../../../host/service/haproxy-programs";
import { HAPROXY, servicePaths } from "../../../../host/service/haproxy-paths";

const paths = servicePaths(6444);

describe("the program that prepares HAProxy as a service", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);

  /**
   * Runs it in a folder with stubs: "haproxy" accepts a file that contains good, "node" writes one.
   */
  const prepare = (node = `echo good >${at("haproxy.cfg")}`): ReturnType<typeof spawnSync> => {
    const places = [
      [paths.configFile, "haproxy.cfg"],
      [paths.stateFile, "server-state"],
      [paths.checkTokenFile, "check-token.map"],
      [paths.addressFile, "address.env"],
      [HAPROXY, "haproxy"],
    ] as const;
    const text = places.reduce(
      (program, [path, name]) => program.split(path).join(at(name)),
      haproxyProgram(paths)
        .split("\n")
        .filter((line) => !line.startsWith("PATH="))
        .join("\n"),
    );
    const script = (name: string, body: string) =>
      writeFileSync(at(name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    // the unit's command before it writes the address
    writeFileSync(at("address.env"), "HOST_IP=10.0.0.1\n");
    script("haproxy", `grep -q good ${at("haproxy.cfg")}`);
    script("node", node);
    const PATH = `${folder}:${process.env["PATH"]}`;
    return spawnSync("sh", ["-s", "prepare"], { input: text, encoding: "utf8", env: { PATH } });
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "first-configuration-"));
    writeFileSync(at("server-state"), "1\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("leaves a configuration that HAProxy accepts", () => {
    writeFileSync(at("haproxy.cfg"), "good, and mine\n");
    assert.equal(prepare().status, 0);
    assert.equal(readFileSync(at("haproxy.cfg"), "utf8"), "good, and mine\n");
  });

  it("rewrites one that HAProxy refuses, as after an edit by hand", () => {
    writeFileSync(at("haproxy.cfg"), "edited\n");
    const ran = prepare();
    assert.equal(ran.status, 0, String(ran.stderr));
    assert.match(String(ran.stderr), /HAProxy refuses .*rewriting it/);
    assert.equal(readFileSync(at("haproxy.cfg"), "utf8"), "good\n");
  });

  it("starts the last good one after a power cut, although its checks carry a token and the updater fails", () => {
    rmSync(at("server-state"));
    writeFileSync(at("haproxy.cfg"), "good, and last\n");
    const ran = prepare("exit 1");
    assert.equal(ran.status, 0, String(ran.stderr));
    assert.match(String(ran.stderr), /the preparation failed: the last good configuration serves/);
    assert.equal(readFileSync(at("check-token.map"), "utf8"), "token none\n");
    writeFileSync(at("check-token.map"), "token of-the-updater\n");
    prepare("exit 1");
    assert.equal(readFileSync(at("check-token.map"), "utf8"), "token of-the-updater\n");
  });
});
