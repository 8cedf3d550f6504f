import assert from "node:assert/strict";
import { Ledger } from "../../../../e2e/load/ledger";

function setUp() {
  const clock = { now: 1_000_000, wall: () => clock.now, steady: () => clock.now - 5000 };
  const ledger = new Ledger(clock);
  void ledger.openPhase("first");
  const begin = () => ledger.begin("new", "GET", "a:1");
  return { clock, ledger, begin, phases: () => ledger.phaseReports() };
}

/** A ledger that counts already. */
function counting() {
  const all = setUp();
  all.ledger.ok(all.begin());
  return all;
}

describe("ledger of the load", () => {
  it("counts nothing that began before the first good answer", () => {
    const { clock, ledger, begin, phases } = setUp();
    const early = begin();
    ledger.fail(begin(), "refused", "no");
    ledger.ok(begin());
    clock.now += 5000;
    ledger.fail(early, "timeout", "no");
    assert.equal(ledger.firstAnswerAt, 1_000_000);
    assert.deepEqual([phases()[0]!.sent, phases()[0]!.failed], [0, 0]);
  });

  it("counts a request in the phase in which it began, and a phase settles with its last request", async () => {
    const { ledger, begin, phases } = counting();
    const slow = begin();
    let settled = false;
    const opened = ledger.openPhase("second").then(() => (settled = true));
    ledger.ok(begin());
    await Promise.resolve();
    assert.equal(settled, false);
    assert.equal(phases()[0]!.pending, 1);
    ledger.fail(slow, "reset", "gone");
    await opened;
    const [first, second] = phases();
    assert.deepEqual([first!.sent, first!.ok, first!.failed, first!.pending], [1, 0, 1, 0]);
    assert.deepEqual([second!.sent, second!.ok, second!.failed], [1, 1, 0]);
  });

  it("counts a request that a kill broke off as in flight, and one that began after it as failed", () => {
    const { clock, ledger, begin, phases } = counting();
    const before = begin();
    clock.now += 100;
    const during = begin();
    clock.now += 1;
    const after = begin();
    clock.now += 10;
    for (const pending of [before, during, after]) ledger.fail(pending, "reset", "gone");
    assert.equal(phases()[0]!.failed, 3, "no kill is known yet");
    ledger.markKill({ from: 1_000_090, to: 1_000_100 });
    const report = phases()[0]!;
    assert.deepEqual([report.failed, report.inFlightLost], [1, 2]);
    assert.deepEqual(
      report.lost.map((lost) => lost.at),
      [1_000_000, 1_000_100],
    );
    assert.equal(report.failures[0]!.at, 1_000_101);
  });

  it("counts a request on a kept connection that the kill broke as lost, as long as the news may travel", () => {
    const { clock, ledger, phases } = counting();
    const killed = clock.now;
    ledger.markKill({ from: killed, to: killed });
    const fail = (afterKill: number, connectedAt: number) => {
      clock.now = killed + afterKill;
      ledger.fail(ledger.begin("reused", "GET", "a:1"), "reset", "gone", connectedAt);
    };
    fail(500, killed - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlightLost], [0, 1]);
    fail(501, killed - 10);
    fail(100, killed + 1);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlightLost], [2, 1]);
  });

  it("counts only connections from before a soft stop as lost when its time is over", () => {
    const { clock, ledger, phases } = counting();
    const stopped = clock.now;
    ledger.markKill({ from: stopped + 900, to: stopped + 1100, openedBefore: stopped });
    const fail = (after: number, connectedAt: number) => {
      clock.now = stopped + after;
      ledger.fail(ledger.begin("reused", "GET", "a:1"), "reset", "gone", connectedAt);
    };
    fail(1000, stopped - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlightLost], [0, 1]);
    fail(1000, stopped);
    fail(800, stopped - 10);
    fail(1101, stopped - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlightLost], [3, 1]);
  });

  it("counts only the operations that a kill names as lost", () => {
    const { ledger, phases } = counting();
    for (const operation of ["GET", "PATCH"]) {
      ledger.fail(ledger.begin("new", operation, "a:1"), "timeout", "no answer");
    }
    ledger.markKill({ from: 1_000_000, to: 1_000_000, operations: ["PATCH"] });
    const report = phases()[0]!;
    assert.deepEqual(
      [report.lost, report.failures].map((list) => list.map(({ operation }) => operation)),
      [["PATCH"], ["GET"]],
    );
  });

  it("counts what was over before the kill as failed", () => {
    const { clock, ledger, begin, phases } = counting();
    ledger.fail(begin(), "reset", "gone");
    clock.now += 50;
    ledger.markKill({ from: clock.now, to: clock.now });
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlightLost], [1, 0]);
  });

  it("excuses by a kill only what is reset or gets no answer", () => {
    const { ledger, begin, phases } = counting();
    const kinds = ["refused", "reset", "timeout", "tls", "network", "5xx", "429", "body"] as const;
    for (const kind of kinds) ledger.fail(begin(), kind, kind);
    ledger.markKill({ from: 1_000_000, to: 1_000_000 });
    const report = phases()[0]!;
    assert.deepEqual(
      report.lost.map((lost) => lost.kind),
      ["reset", "timeout"],
    );
    assert.equal(report.failed, 6);
  });

  it("measures the longest time without a good answer over the boundary of phases and to the open end", () => {
    const { clock, ledger, begin, phases } = counting();
    clock.now += 300;
    void ledger.openPhase("second");
    clock.now += 400;
    ledger.ok(begin());
    assert.deepEqual(
      phases().map((phase) => phase.maxGapMs),
      [300, 700],
    );
    clock.now += 1000;
    assert.equal(phases()[1]!.maxGapMs, 1000);
  });

  it("keeps the channels apart and gives each its percentiles", () => {
    const { clock, ledger, phases } = counting();
    for (let index = 1; index <= 100; index += 1) {
      const pending = ledger.begin("reused", "GET", "a:1");
      clock.now += index;
      ledger.ok(pending);
    }
    ledger.fail(ledger.begin("watch", "WATCH", "a:1"), "5xx", "no");
    const { newConnections, reused, watches } = phases()[0]!;
    assert.deepEqual([newConnections.sent, reused.sent, watches.sent], [0, 100, 1]);
    assert.ok(Math.abs(reused.p50Ms - 50) < 1 && Math.abs(reused.p99Ms - 99) < 1);
    assert.deepEqual([reused.failed, watches.failed], [0, 1]);
  });

  it("shows 20 failures and counts all", () => {
    const { ledger, begin, phases } = counting();
    for (let index = 0; index < 50; index += 1) ledger.fail(begin(), "5xx", `number ${index}`);
    assert.equal(phases()[0]!.failed, 50);
    assert.equal(phases()[0]!.failures.length, 20);
  });

  it("gives each second its answers, failures, losses and breaks", () => {
    const { clock, ledger, begin } = counting();
    ledger.ok(begin());
    clock.now += 1000;
    ledger.fail(begin(), "5xx", "no");
    clock.now += 1000;
    ledger.fail(begin(), "reset", "killed");
    ledger.markKill({ from: clock.now, to: clock.now });
    ledger.watchBreak("a:1", "killed");
    assert.deepEqual(
      ledger.timeline().map((s) => [s.second, s.ok, s.failed, s.inFlightLost, s.watchBreaks]),
      [
        [0, 1, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [2, 0, 0, 1, 1],
      ],
    );
  });

  it("takes back a request that the load itself gave up", () => {
    const { ledger, begin, phases } = counting();
    ledger.cancel(begin());
    assert.deepEqual([phases()[0]!.sent, phases()[0]!.pending], [0, 0]);
  });
});
