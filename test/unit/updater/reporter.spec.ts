import assert from "node:assert/strict";
import { exitCode, parseAnswers } from "../../../status/report";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { PROBLEM_REASONS, Reporter } from "../../../updater/report/reporter";
import { answers, updater } from "../status/answers";

describe("Reporter", () => {
  let lines: string[];
  let events: string[];
  let metrics: Metrics;
  let report: Reporter;
  beforeEach(() => {
    [lines, events, metrics] = [[], [], new Metrics(PROBLEM_REASONS)];
    report = new Reporter({
      log: createLog((line) => lines.push(line)),
      metrics,
      sendEvent: (reason, message) => events.push(`${reason}: ${message}`),
    });
  });

  /** Where a problem of this reason stands now. */
  const places = (reason: string) => ({
    log: lines.some((line) => line.includes('"warn"') && line.includes(`"reason":"${reason}"`)),
    event: events.some((event) => event.startsWith(`${reason}: `)),
    metric: metrics.render().includes(`_problems{reason="${reason}"} 1\n`),
    status: report.list().some((problem) => problem.startsWith(`${reason}: `)),
    command: operatorSees().problems.some((problem) => problem.startsWith(`${reason}: `)),
  });
  const operatorSees = () =>
    parseAnswers(
      { name: "m1", address: "10.77.0.11" },
      { ports: { lb: 6444, health: 6445 }, updater: true },
      answers({ updater: updater({ problems: report.list() }) }),
    );

  for (const reason of PROBLEM_REASONS) {
    it(`shows ${reason} in log, Event, metric, /status and npm run status until it ends`, () => {
      assert.equal(exitCode([operatorSees()]), 0);
      report.begin(reason, new Error("broken"));
      assert.deepEqual(places(reason), {
        log: true,
        event: true,
        metric: true,
        status: true,
        command: true,
      });
      assert.equal(exitCode([operatorSees()]), 1);
      report.end(reason);
      const { metric, status, command } = places(reason);
      assert.deepEqual(
        { metric, status, command },
        { metric: false, status: false, command: false },
      );
      assert.match(lines.at(-1) ?? "", new RegExp(`"problem ended","reason":"${reason}"`));
    });
  }

  it("logs a repeated problem once, and counts each attempt", () => {
    report.begin("ReloadFailed", "no worker");
    report.begin("ReloadFailed", "no worker");
    assert.equal(lines.length, 1);
    assert.equal(metrics.errors("reload"), 2);
  });

  it("logs a problem again when its text changes", () => {
    report.begin("ReloadFailed", "no worker");
    report.begin("ReloadFailed", "no answer");
    assert.equal(lines.length, 2);
    assert.deepEqual(report.list(), ["ReloadFailed: no answer"]);
  });

  it("puts the attempted change before the error", () => {
    report.begin("ConfigurationNotWritten", new Error("disk full"), "open s1");
    assert.deepEqual(report.list(), ["ConfigurationNotWritten: open s1: disk full"]);
  });

  it("keeps several problems of one reason apart", () => {
    report.replace("BackendRefused", ["m1: bad", "m2: bad"]);
    report.replace("BackendRefused", ["m2: bad"]);
    assert.deepEqual(report.list(), ["BackendRefused: m2: bad"]);
    assert.equal(metrics.problems.get("BackendRefused"), 1);
    assert.equal(lines.length, 2);
  });

  it("takes little time for very many problems", () => {
    const texts = (value: string) => Array.from({ length: 60_000 }, (_, n) => `m${n}: ${value}`);
    report.replace("BackendRefused", texts("bad"));
    const start = performance.now();
    report.replace("BackendRefused", [...texts("bad"), "n: bad"]);
    assert.equal(lines.length, 60_001);
    assert.ok(performance.now() - start < 2000);
  });

  it("offers the Events of lasting problems again", () => {
    report.begin("ReloadFailed", "no worker");
    report.begin("NoBackends", "none");
    report.end("NoBackends");
    events = [];
    report.repeatEvents();
    assert.deepEqual(events, ["ReloadFailed: no worker"]);
  });

  it("sends at most ten Events for one reason at a time", () => {
    report.replace(
      "BackendRefused",
      Array.from({ length: 30 }, (_, n) => `m${n}: bad`),
    );
    assert.equal(events.length, 10);
    assert.equal(report.list().length, 30);
  });
});
