import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseAnswers } from "../../../status/report";
import { statusScript } from "../../../status/script";
import { assertSoundSh } from "../shell";
import { updater } from "./answers";

const script = (address: string, updater = true) =>
  statusScript({ address, ports: { lb: 6444, api: 6443, health: 6445 }, updater });

describe("script of the status command", () => {
  it("is sound POSIX sh", () => {
    for (const updater of [true, false]) assertSoundSh(script("10.77.0.11", updater));
    const ports = { lb: 6444, api: 6443, health: 6445 };
    const peers = [{ name: "m2", address: "10.77.0.12" }];
    const question = { address: "10.77.0.11", ports, updater: true, peers };
    assertSoundSh(statusScript(question));
    assertSoundSh(statusScript({ ...question, virtualIp: "10.77.0.100" }));
  });

  it("puts IPv6 addresses into brackets", () => {
    assert.match(script("fd00::11"), /'https:\/\/\[fd00::11\]:6444\/livez\/ping'/);
  });

  it("runs nothing when the connection breaks half-way", () => {
    const text = script("10.77.0.11");
    const half = text.slice(0, text.length - "main </dev/null\n".length);
    const run = spawnSync("sh", ["-s"], { input: half, encoding: "utf8" });
    assert.equal(run.stdout, "");
  });

  it("hands over the updater's problems with their line breaks and backslashes", () => {
    const problem = "ReloadFailed: [ALERT] in line 3:\n  'C:\\new'\nhealth 200";
    const folder = mkdtempSync(path.join(tmpdir(), "status-script-"));
    const program = (name: string, text: string) =>
      writeFileSync(path.join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    writeFileSync(path.join(folder, "status.json"), updater({ problems: [problem] }));
    program(
      "curl",
      `case $* in */updater/status) cat ${folder}/status.json ;; *) printf 500 ;; esac`,
    );
    program("ss", `echo 'LISTEN 0 9 10.77.0.11:6444 * users:(("haproxy",pid=8,fd=7))'`);
    try {
      const text = script("10.77.0.11").replace("\nPATH=", `\nPATH=${folder}:`);
      const { stdout } = spawnSync("sh", ["-s"], { input: text, encoding: "utf8" });
      const ports = { lb: 6444, health: 6445 };
      const { problems } = parseAnswers(
        { name: "m1", address: "10.77.0.11" },
        { ports, updater: true },
        stdout,
      );
      assert.ok(problems.includes(problem), problems.join("; "));
      assert.ok(problems.includes("HAProxy does not answer on its health port 6445"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
