import assert from "node:assert/strict";
import { Causes } from "../../../../e2e/load/causes";
import { Ledger } from "../../../../e2e/load/ledger";
import { judge } from "../../../../e2e/scenario/expectation";

/** A phase with one answered request, and what `happen` adds. */
function phase(happen: (ledger: Ledger, causes: Causes) => void = () => undefined) {
  const clock = { wall: () => 1_000_000, steady: () => 0 };
  const causes = new Causes(5000);
  const ledger = new Ledger(clock, causes);
  void ledger.openPhase("first");
  for (let request = 0; request < 2; request += 1) ledger.ok(ledger.begin("new", "GET", "a:1"));
  happen(ledger, causes);
  return ledger.phaseReports()[0]!;
}

const reset = (ledger: Ledger) => ledger.fail(ledger.begin("new", "GET", "a:1"), "reset", "gone");

describe("expectation of a phase", () => {
  const NOTHING_FAILS = { nothingFails: true };

  it("is met when every request is answered", () => {
    assert.deepEqual(judge(phase(), NOTHING_FAILS).deviations, []);
  });

  it("is not met when a request failed", () => {
    assert.deepEqual(judge(phase(reset), NOTHING_FAILS).deviations, ["1 requests failed"]);
  });

  it("is met when the only lost request was in flight at a kill", () => {
    const report = phase((ledger, causes) => {
      reset(ledger);
      causes.addKill({ from: 1_000_000, to: 1_000_000 });
    });
    assert.deepEqual(judge(report, NOTHING_FAILS).deviations, []);
  });

  it("for new connections is met when only kept connections and watches failed", () => {
    const newOnly = { ...NOTHING_FAILS, newConnectionsOnly: true };
    const kept = phase((ledger) => {
      for (const channel of ["reused", "watch"] as const) {
        ledger.fail(ledger.begin(channel, "GET", "a:1"), "reset", "gone");
      }
    });
    assert.deepEqual(judge(kept, NOTHING_FAILS).deviations, ["2 requests failed"]);
    assert.deepEqual(judge(kept, newOnly).deviations, []);
    assert.deepEqual(judge(phase(reset), newOnly).deviations, ["1 requests failed"]);
  });

  it("is not met when a watch missed an event", () => {
    const report = phase((ledger) => ledger.missedEvents(2));
    assert.deepEqual(judge(report, NOTHING_FAILS).deviations, ["watches missed 2 events"]);
  });

  it("is not met when the longest gap is too long", () => {
    const report = { ...phase(), longestGapMs: 6001 };
    const { deviations } = judge(report, { nothingFails: false, longestGapMs: 6000 });
    assert.deepEqual(deviations, ["longest gap 6001 ms, expected at most 6000 ms"]);
  });

  it("is not met when nothing was answered", () => {
    const report = { ...phase(), ok: 0 };
    assert.deepEqual(judge(report, { nothingFails: false }).deviations, [
      "no request was answered",
    ]);
  });
});
