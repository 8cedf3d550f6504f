import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { formatDuration, parseDuration } from "../../../stacks/duration";
import { read, validationErrors } from "./example";

describe("parseDuration", () => {
  for (const [text, ms] of [
    ["0s", 0],
    ["700ms", 700],
    ["30s", 30_000],
    ["10m", 600_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    "",
    "30",
    "s",
    "-30s",
    "1.5h",
    "1h30m",
    "030s",
    " 30s",
    "30 s",
    "30S",
    "30us",
  ]) {
    it(`refuses "${text}"`, () => assert.equal(parseDuration(text), undefined));
  }

  it("reads what formatDuration writes", () => {
    fc.assert(fc.property(fc.nat(), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe("a time in the configuration", () => {
  const idle = (value: unknown) => ({ haproxy: { timeouts: { idle: value } } });

  it("is a number inside the program", () => {
    const { haproxy, updater } = read({
      haproxy: { timeouts: { idle: "2h" }, hardStopAfter: "90s", checks: { slowStart: "1m" } },
      updater: { drain: "5s", retain: "10m" },
    });
    assert.equal(haproxy.timeouts.idleMs, 7_200_000);
    assert.equal(haproxy.timeouts.hardStopAfterMs, 90_000);
    assert.equal(haproxy.checks.slowStartMs, 60_000);
    assert.deepEqual([updater.drainSeconds, updater.retainSeconds], [5, 600]);
  });

  it("needs a unit", () => {
    assert.deepEqual(validationErrors(idle(86400000)), [
      "haproxy.timeouts.idle: got 86400000, expected a time with a unit like 700ms, 30s, 10m or 24h",
    ]);
    assert.deepEqual(validationErrors(idle("86400000")), [
      'haproxy.timeouts.idle: got "86400000", expected a time with a unit like 700ms, 30s, 10m or 24h',
    ]);
  });

  it("keeps its bounds", () => {
    assert.deepEqual(validationErrors(idle("8d")), [
      'haproxy.timeouts.idle: got "8d", expected a time from 1ms to 7d',
    ]);
    assert.deepEqual(validationErrors(idle("0s")), [
      'haproxy.timeouts.idle: got "0s", expected a time from 1ms to 7d',
    ]);
  });

  it("is in whole seconds for the updater", () => {
    assert.deepEqual(validationErrors({ updater: { drain: "1500ms" } }), [
      'updater.drain: got "1500ms", expected a time in whole seconds from 0s to 1h',
    ]);
  });
});
