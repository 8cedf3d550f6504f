import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { drawConvergence, renderConvergence } from "../../../../e2e/bench/report";
import { summarize, untilAllRead } from "../../../../e2e/bench/statistics";

describe("summary of a series", () => {
  it("has percentiles by nearest rank, in any order of the input", () => {
    const times = Array.from({ length: 200 }, (_, index) => 200 - index);
    assert.deepEqual(summarize(times), { count: 200, p50: 100, p99: 198, max: 200 });
  });

  it("is zero for no values, and the value itself for one", () => {
    assert.deepEqual(summarize([]), { count: 0, p50: 0, p99: 0, max: 0 });
    assert.deepEqual(summarize([7]), { count: 1, p50: 7, p99: 7, max: 7 });
  });
});

describe("time until all have read", () => {
  it("is that of the last reader, without changes that a reader did not read any more", () => {
    const reads = [
      [5, 10, 20],
      [0, 12, 18],
    ];
    assert.deepEqual(untilAllRead([1, 10, 19], reads), [11, 2]);
  });
});

describe("report of the convergence", () => {
  const report = {
    machines: ["m1", "m2"],
    plugins: {},
    series: [
      { name: "updater", times: [10, 20, 30] },
      { name: "empty", times: [] },
    ],
    costs: [
      {
        name: "reload",
        count: 2,
        sent: 100,
        failed: 1,
        watchBreaks: 0,
        missedEvents: 0,
        longestGapMs: 50,
        reloads: 0,
      },
    ],
    consumption: [{ backends: 3, changesPerMinute: 0, cpuPercent: 0.123, rssMB: 60 }],
  };

  it("names every series and operation with its figures", () => {
    const text = renderConvergence(report);
    assert.match(text, /all 2 load balancers/);
    assert.match(text, /updater +3 +20 +30 +30/);
    assert.match(text, /reload +2 +100 +1 +0 +0 +50 +0/);
    assert.match(text, /3 +0 +0\.12 +60\.0/);
  });

  it("draws one line for each series that has times", () => {
    const picture = drawConvergence(report);
    assert.equal(picture.match(/<polyline/g)?.length, 1);
    assert.match(picture, /updater \(3\)/);
  });
});
