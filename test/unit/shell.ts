import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/** Asserts that sh parses the text and shellcheck has nothing to say about it. */
export function assertSoundSh(text: string): void {
  const parsed = spawnSync("sh", ["-n"], { input: text, encoding: "utf8" });
  assert.equal(parsed.status, 0, parsed.stderr);
  const checked = spawnSync("shellcheck", ["-s", "sh", "-"], { input: text, encoding: "utf8" });
  assert.equal(checked.error, undefined, "shellcheck is missing: apt-get install shellcheck");
  assert.equal(checked.status, 0, checked.stdout);
}
