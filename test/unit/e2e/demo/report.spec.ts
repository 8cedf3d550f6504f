import assert from "node:assert/strict";
import { renderReport, type DemoReport } from "../../../../e2e/demo/report";
import { renderTimeline } from "../../../../e2e/demo/timeline";
import { Causes } from "../../../../e2e/load/causes";
import { Ledger } from "../../../../e2e/load/ledger";
import { judge } from "../../../../e2e/scenario/expectation";

const START = Date.parse("2026-01-01T00:00:00Z");
const DEADLINE_MS = 5000;

/** A demo of one phase in which requests are lost for each cause, and one fails. */
function demo(): DemoReport {
  const clock = { now: START, wall: () => clock.now, steady: () => clock.now };
  const causes = new Causes(DEADLINE_MS);
  const ledger = new Ledger(clock, causes);
  void ledger.openPhase("power cut");
  const begin = (operation: string) => ledger.begin("new", operation, "10.0.0.1:6444");
  for (let request = 0; request < 2; request += 1) ledger.ok(begin("GET"));
  ledger.fail(begin("LIST"), "reset", "killed");
  causes.addKill({ from: START, to: START });
  clock.now = START + 1;
  const requests = { stalled: begin("GET"), election: begin("PATCH") };
  clock.now = START + 1000;
  ledger.fail(requests.election, "5xx", 'status 500: {"message":"etcdserver: leader changed"}');
  causes.setElections([{ from: START + 900, to: START + 2100 }]);
  clock.now = START + DEADLINE_MS + 700;
  ledger.fail(requests.stalled, "timeout", "no complete response within 5000 ms");
  causes.addStall({ from: START + DEADLINE_MS - 100, to: clock.now });
  ledger.fail(begin("GET"), "refused", "connect ECONNREFUSED");
  const phase = judge(ledger.phaseReports()[0]!, { nothingFails: true });
  return {
    passed: false,
    plugins: { kubernetes: "stand-in" },
    machines: [{ name: "m1", address: "10.0.0.1" }],
    endpoint: "10.0.0.1:6444",
    firstAnswerAt: START,
    steps: [{ name: "up", seconds: 61.2 }],
    phases: [phase],
    servedBy: [{ at: START, machine: "m1", server: "HAProxy" }],
    timeline: ledger.timeline(),
    generatorLag: { p99Ms: 11, maxMs: 800 },
    skipped: 0,
  };
}

describe("report of the demo", () => {
  const text = renderReport(demo());

  it("counts failed, in flight, stalled and election apart", () => {
    assert.match(
      text,
      /FAILED new +reused +watch +IN FLIGHT +STALLED +ELECTION .*LONGEST GAP ms.*EXPECTATION/,
    );
    assert.match(text, /power cut +6 +5 +1 +1 +0 +0 +1 +1 +1 /);
  });

  it("names the failed request", () => {
    assert.match(text, /failed .*\n.*new GET 10\.0\.0\.1:6444: refused after 0 ms: connect ECONN/);
  });

  it("names the stall of the generator that a request met", () => {
    assert.match(
      text,
      /the load generator stalled for 800 ms from 2026-01-01T00:00:04\.900Z: .* GET .*timeout/,
    );
  });

  it("names the election that a write met", () => {
    assert.match(
      text,
      /etcd had no leader for 1200 ms from 2026-01-01T00:00:00\.900Z: .* PATCH .*leader changed/,
    );
  });

  it("does not list requests in flight at a kill", () => {
    assert.doesNotMatch(text, /killed/);
  });

  it("ends with the verdict", () => {
    assert.match(text, /NOT all expectations met$/);
  });
});

describe("timeline of the demo", () => {
  it("draws lost requests apart from failed ones", () => {
    const picture = renderTimeline(demo());
    const bars = (colour: string) =>
      picture.match(new RegExp(`<rect [^>]*fill="${colour}"/>`, "g"))?.length;
    // each colour has one rectangle in the legend
    assert.equal(bars("#d1495b"), 2);
    assert.equal(bars("#edae49"), 4);
  });

  it("shows what served each machine", () => {
    assert.match(renderTimeline(demo()), /<title>HAProxy<\/title>/);
  });
});
