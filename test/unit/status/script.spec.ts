import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statusScript } from "../../../status/script";
import { assertSoundSh } from "../shell";

const script = (address: string, updater = true) =>
  statusScript({ address, ports: { lb: 6444, api: 6443, health: 6445 }, updater });

describe("script of the status command", () => {
  it("is sound POSIX sh", () => {
    for (const updater of [true, false]) assertSoundSh(script("10.77.0.11", updater));
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
});
