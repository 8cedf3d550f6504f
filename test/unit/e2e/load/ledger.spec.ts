import assert from "node:assert/strict";
import { Causes } from "../../../../e2e/load/causes";
import { Ledger } from "../../../../e2e/load/ledger";

const DEADLINE_MS = 5000;

function setUp() {
  const clock = { now: 1_000_000, wall: () => clock.now, steady: () => clock.now - 5000 };
  const causes = new Causes(DEADLINE_MS);
  const ledger = new Ledger(clock, causes);
  void ledger.openPhase("first");
  const begin = () => ledger.begin("new", "GET", "a:1");
  return { clock, ledger, causes, begin, phases: () => ledger.phaseReports() };
}

/** A ledger after the first good answer. */
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

  it("settles a phase with its last request", async () => {
    const { ledger, begin, phases } = counting();
    const slow = begin();
    let settled = false;
    const opened = ledger.openPhase("second").then(() => (settled = true));
    await Promise.resolve();
    assert.equal(settled, false);
    assert.equal(phases()[0]!.pending, 1);
    ledger.fail(slow, "reset", "gone");
    await opened;
  });

  it("counts a request in the phase in which it began", () => {
    const { ledger, begin, phases } = counting();
    const slow = begin();
    void ledger.openPhase("second");
    ledger.ok(begin());
    ledger.fail(slow, "reset", "gone");
    const [first, second] = phases();
    assert.deepEqual([first!.sent, first!.ok, first!.failed, first!.pending], [1, 0, 1, 0]);
    assert.deepEqual([second!.sent, second!.ok, second!.failed], [1, 1, 0]);
  });

  it("counts a request as in flight if it began before the end of a kill, otherwise as failed", () => {
    const { causes, clock, ledger, begin, phases } = counting();
    const before = begin();
    clock.now += 100;
    const during = begin();
    clock.now += 1;
    const after = begin();
    clock.now += 10;
    for (const pending of [before, during, after]) ledger.fail(pending, "reset", "gone");
    assert.equal(phases()[0]!.failed, 3, "no kill is known yet");
    causes.addKill({ from: 1_000_090, to: 1_000_100 });
    const report = phases()[0]!;
    assert.deepEqual([report.failed, report.inFlight], [1, 2]);
    assert.deepEqual(
      report.lost.map((lost) => lost.at),
      [1_000_000, 1_000_100],
    );
    assert.equal(report.failures[0]!.at, 1_000_101);
  });

  it("counts a request that ended within the millisecond of the kill as in flight", () => {
    const { causes } = counting();
    causes.addKill({ from: 1_000_427, to: 1_000_427 });
    const failure = { kind: "reset", message: "", channel: "new", operation: "GET" } as const;
    const at = 1_000_331;
    const lost = (afterMs: number) =>
      causes.of({ ...failure, target: "a:1", at, connectedAt: at, afterMs })?.cause;
    assert.equal(lost(95.96), "in flight");
    assert.equal(lost(94.96), undefined);
  });

  it("counts a request on a killed connection as in flight for 0.5 s after the kill", () => {
    const { causes, clock, ledger, phases } = counting();
    const killed = clock.now;
    causes.addKill({ from: killed, to: killed });
    const fail = (afterKill: number, connectedAt: number) => {
      clock.now = killed + afterKill;
      ledger.fail(ledger.begin("reused", "GET", "a:1"), "reset", "gone", connectedAt);
    };
    fail(500, killed - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlight], [0, 1]);
    fail(501, killed - 10);
    fail(100, killed + 1);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlight], [2, 1]);
  });

  it("counts only connections opened before a drain as in flight at its end", () => {
    const { causes, clock, ledger, phases } = counting();
    const stopped = clock.now;
    causes.addKill({ from: stopped + 900, to: stopped + 1100, openedBefore: stopped });
    const fail = (after: number, connectedAt: number) => {
      clock.now = stopped + after;
      ledger.fail(ledger.begin("reused", "GET", "a:1"), "reset", "gone", connectedAt);
    };
    fail(1000, stopped - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlight], [0, 1]);
    fail(1000, stopped);
    fail(800, stopped - 10);
    fail(1101, stopped - 10);
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlight], [3, 1]);
  });

  it("counts a request whose deadline fell into a stall of the generator as stalled", () => {
    const { clock, causes, ledger, begin, phases } = counting();
    const [late, broken] = [begin(), begin()];
    const deadline = clock.now + DEADLINE_MS;
    clock.now = deadline + 700;
    ledger.fail(late, "timeout", "no response");
    ledger.fail(broken, "reset", "gone");
    causes.addStall({ from: deadline - 100, to: deadline + 700 });
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.stalled], [1, 1]);
    assert.equal(phases()[0]!.longestStallMs, 800);
    assert.deepEqual(
      phases()[0]!.lost.map(({ cause, kind }) => [cause, kind]),
      [["stalled", "timeout"]],
    );
  });

  it("counts a timeout as failed when the generator stalled only before or after the deadline", () => {
    const { clock, causes, ledger, begin, phases } = counting();
    const request = begin();
    const deadline = clock.now + DEADLINE_MS;
    clock.now = deadline + 1;
    ledger.fail(request, "timeout", "no response");
    causes.addStall({ from: deadline - 3000, to: deadline - 1 });
    causes.addStall({ from: deadline + 1, to: deadline + 3000 });
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.stalled], [1, 0]);
  });

  it("counts a write that times out during an election of etcd as lost in the election", () => {
    const { clock, causes, ledger, phases } = counting();
    const requests = ["GET", "PATCH"].map((operation) => ledger.begin("new", operation, "a:1"));
    causes.setElections([{ from: clock.now + 100, to: clock.now + 2000 }]);
    clock.now += DEADLINE_MS;
    for (const request of requests) ledger.fail(request, "timeout", "no response");
    const report = phases()[0]!;
    assert.deepEqual([report.lostInElection, report.longestElectionMs], [1, 1900]);
    assert.deepEqual(
      [report.lost, report.failures].map((list) => list.map(({ operation }) => operation)),
      [["PATCH"], ["GET"]],
    );
  });

  it("counts a write outside of every election as failed", () => {
    const { clock, causes, ledger, phases } = counting();
    const { now } = clock;
    causes.setElections([
      { from: now - 3000, to: now - 1 },
      { from: now + 11, to: now + 3000 },
    ]);
    const request = ledger.begin("new", "PATCH", "a:1");
    clock.now += 10;
    ledger.fail(request, "timeout", "no response");
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.lostInElection], [1, 0]);
  });

  it("counts a 5xx of a write as lost in an election only if etcd's own error is its reason", () => {
    const { clock, causes, ledger, phases } = counting();
    causes.setElections([{ from: clock.now, to: clock.now }]);
    for (const message of ["etcdserver: leader changed", "no endpoints available"]) {
      const text = `status 500, expected 200: {"kind":"Status","message":"${message}"}`;
      ledger.fail(ledger.begin("new", "PATCH", "a:1"), "5xx", text);
    }
    const report = phases()[0]!;
    assert.deepEqual([report.failed, report.lostInElection], [1, 1]);
    assert.match(report.failures[0]!.message, /no endpoints/);
  });

  it("counts a request that ended before the kill as failed", () => {
    const { causes, clock, ledger, begin, phases } = counting();
    ledger.fail(begin(), "reset", "gone");
    clock.now += 50;
    causes.addKill({ from: clock.now, to: clock.now });
    assert.deepEqual([phases()[0]!.failed, phases()[0]!.inFlight], [1, 0]);
  });

  it("counts only resets and timeouts as in flight at a kill", () => {
    const { causes, ledger, begin, phases } = counting();
    const kinds = ["refused", "reset", "timeout", "tls", "network", "5xx", "429", "body"] as const;
    for (const kind of kinds) ledger.fail(begin(), kind, kind);
    causes.addKill({ from: 1_000_000, to: 1_000_000 });
    const report = phases()[0]!;
    assert.deepEqual(
      report.lost.map((lost) => lost.kind),
      ["reset", "timeout"],
    );
    assert.equal(report.failed, 6);
  });

  it("measures the longest gap across the boundary of phases and up to now", () => {
    const { clock, ledger, begin, phases } = counting();
    clock.now += 300;
    void ledger.openPhase("second");
    clock.now += 400;
    ledger.ok(begin());
    assert.deepEqual(
      phases().map((phase) => phase.longestGapMs),
      [300, 700],
    );
    clock.now += 1000;
    assert.equal(phases()[1]!.longestGapMs, 1000);
  });

  it("reports counts and percentiles of each channel", () => {
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

  it("lists 20 failures and counts all", () => {
    const { ledger, begin, phases } = counting();
    for (let index = 0; index < 50; index += 1) ledger.fail(begin(), "5xx", `number ${index}`);
    assert.equal(phases()[0]!.failed, 50);
    assert.equal(phases()[0]!.failures.length, 20);
  });

  it("reports answers, failures, lost requests and breaks of each second", () => {
    const { causes, clock, ledger, begin } = counting();
    ledger.ok(begin());
    clock.now += 1000;
    ledger.fail(begin(), "5xx", "no");
    clock.now += 1000;
    ledger.fail(begin(), "reset", "killed");
    causes.addKill({ from: clock.now, to: clock.now });
    ledger.watchBreak("a:1", "killed");
    assert.deepEqual(
      ledger.timeline().map((s) => [s.second, s.ok, s.failed, s.lost, s.watchBreaks]),
      [
        [0, 1, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [2, 0, 0, 1, 1],
      ],
    );
  });

  it("does not count a request that the load itself gave up", () => {
    const { ledger, begin, phases } = counting();
    ledger.cancel(begin());
    assert.deepEqual([phases()[0]!.sent, phases()[0]!.pending], [0, 0]);
  });
});
