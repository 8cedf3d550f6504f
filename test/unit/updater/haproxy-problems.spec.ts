import assert from "node:assert/strict";
import type { Snapshot } from "../../../haproxy/runtime";
import { reportHaproxyProblems } from "../../../updater/report/haproxy-problems";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Reporter } from "../../../updater/report/reporter";
import { exampleSettings } from "./example-settings";

describe("problems that HAProxy's snapshot shows", () => {
  let lines: string[];
  let report: Reporter;
  beforeEach(() => {
    lines = [];
    report = new Reporter({ log: createLog((line) => lines.push(line)), metrics: new Metrics() });
  });
  const look = (maxConnections: number, checkCode: number): void => {
    const check = { checkStatus: "L7STS", checkCode, sinceSeconds: 10, sessions: 0 };
    const snapshot: Snapshot = {
      ...{ pid: 1, description: "", maxConnections, servers: [] },
      stats: [{ pool: "ready", slot: 0, status: "DOWN", ...check }],
    };
    reportHaproxyProblems({ settings: exampleSettings("/run"), report }, snapshot);
  };

  for (const code of [401, 403]) {
    it(`name the setting for API servers that answer ${code} to checks`, () => {
      look(50_000, code);
      assert.match(
        report.list().join(),
        /^ChecksUnauthorized: .*set haproxy\.checks\.authentication to token/,
      );
    });
  }

  it("name the connections that the limit of open files allows", () => {
    look(200, 500);
    assert.match(
      report.list().join(),
      /^FewOpenFiles: .* allows 100 of haproxy\.maxConnections 40000/,
    );
  });

  it("are logged once while they last, and again when they come back", () => {
    const begun = () => lines.filter((line) => line.includes('"warn"')).length;
    look(50_000, 401);
    look(50_000, 401);
    assert.equal(begun(), 1);
    look(50_000, 200);
    assert.deepEqual(report.list(), []);
    look(50_000, 401);
    assert.equal(begun(), 2);
  });
});
