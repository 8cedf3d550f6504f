import assert from "node:assert/strict";
import { isRecovered } from "../../../../e2e/sequences/play";
import { problemsOf, renderReport, type Judged } from "../../../../e2e/sequences/report";
import type { ChannelReport } from "../../../../e2e/load/load";

const channel = (changes: Partial<ChannelReport> = {}): ChannelReport => ({
  ...{ sent: 100, ok: 100, failed: 0, lost: 0 },
  ...{ longestGapMs: 60, p50Ms: 9, p99Ms: 20, maxMs: 30 },
  ...changes,
});
const judged = (changes: Partial<Judged> = {}, counts: Partial<ChannelReport> = {}): Judged => ({
  name: "seed 7",
  script: "emptied (1 s)",
  recoveryMs: 1200,
  loadAverage: 3.14,
  phase: { newConnections: channel(counts), reused: channel(), watchBreaks: 2, longestGapMs: 60.4 },
  ...changes,
});

describe("the report of sequences", () => {
  it("has no problem where nothing failed and every recovery was fast", () => {
    assert.deepEqual(problemsOf([judged(), judged({ recoveryMs: 9999 })]), []);
  });

  it("names the seed and its steps for a failed connection, a late recovery and no answer", () => {
    const bad = [judged({}, { failed: 1 }), judged({ recoveryMs: 10_000 }), judged({}, { ok: 0 })];
    assert.deepEqual(problemsOf(bad), [
      "seed 7: 1 new connections failed (emptied (1 s))",
      "seed 7: recovered after 10.0 s (emptied (1 s))",
      "seed 7: no new connection was answered (emptied (1 s))",
    ]);
  });

  it("ends with the median and the longest of the recoveries, without phases that have none", () => {
    const { phase } = judged();
    const bundle = { name: "CA bundle", script: "own second", loadAverage: 1, phase };
    const times = [1000, 2000, 9000].map((recoveryMs) => judged({ recoveryMs }));
    const text = renderReport([...times, bundle]);
    assert.match(text, /^seed 7 +100 +0 +0 +60 ms +0 of 100 +2 ended +1\.0 s +3\.1$/m);
    assert.match(
      text,
      /new connections: 400, failed: 0\nrecoveries: 3, median 2\.0 s, longest 9\.0 s$/,
    );
  });
});

describe("an updater has recovered", () => {
  const RIGHT = { m1: "10.77.0.11:6443", m2: "10.77.0.12:6443" };
  const backend = (number: number, state: "ready" | "down" | "draining" = "ready") => ({
    name: `m${number}`,
    address: `10.77.0.1${number}`,
    port: 6443,
    state,
  });
  const is = (revision: string, ...backends: ReturnType<typeof backend>[]) =>
    isRecovered({ revision, backends }, "812", RIGHT);

  it("when it has the revision or a later one, and the right backends, all ready", () => {
    assert.ok(is("812", backend(1), backend(2)));
    assert.ok(is("1000", backend(1), backend(2), backend(3, "draining")));
  });

  it("not with an earlier revision, another backend, one that is missing or not ready", () => {
    assert.ok(!is("99", backend(1), backend(2)));
    assert.ok(!is("", backend(1), backend(2)));
    assert.ok(!is("812", backend(1), backend(3)));
    assert.ok(!is("812", backend(1)));
    assert.ok(!is("812", backend(1), backend(2, "down")));
    assert.ok(!is("812", backend(1), backend(2), backend(3)));
  });
});
