import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import { RuntimeApi } from "../../../haproxy/runtime";
import { CheckToken } from "../../../updater/apply/check-token";
import { createLog, type Log } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Reporter } from "../../../updater/report/reporter";
import { exampleSettings } from "./example-settings";

describe("the token of HAProxy's checks", () => {
  let folder: string;
  let lines: string[];
  let metrics: Metrics;
  let log: Log;
  let report: Reporter;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "check-token-"));
    lines = [];
    metrics = new Metrics();
    log = createLog((line) => lines.push(line));
    report = new Reporter({ log, metrics });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const make = (authentication: "anonymous" | "token", token: () => string): CheckToken => {
    const example = exampleSettings(folder);
    const checks = { ...HAPROXY_DEFAULTS.checks, authentication };
    const settings = { ...example, haproxy: { ...example.haproxy, checks } };
    return new CheckToken({ settings, log, report }, token);
  };
  const file = (): string => readFileSync(join(folder, "check-token.map"), "utf8");
  const fail = (): string => {
    throw new Error("no token");
  };

  it("is written nowhere while checks are anonymous", () => {
    assert.equal(make("anonymous", () => "t1").write(), undefined);
    assert.throws(file, /ENOENT/);
  });

  it("stands in a file that others cannot read", () => {
    assert.equal(make("token", () => "t1").write(), "t1");
    assert.equal(file(), "token t1\n");
    assert.equal(statSync(join(folder, "check-token.map")).mode & 0o777, 0o640);
  });

  it("is a placeholder in the file when there is none yet: HAProxy needs the file", () => {
    assert.equal(make("token", fail).write(), undefined);
    assert.equal(file(), "token none\n");
  });

  it("stays in the file when it can no longer be read", () => {
    make("token", () => "t1").write();
    make("token", fail).write();
    assert.equal(file(), "token t1\n");
  });

  it("is a problem as long as it cannot be read", () => {
    let token = fail;
    const checkToken = make("token", () => token());
    checkToken.write();
    assert.match(report.list().join(), /^CheckTokenMissing: .*no token$/);
    assert.equal(metrics.errors("token"), 1);
    token = () => "t1";
    checkToken.write();
    assert.deepEqual(report.list(), []);
  });

  it("is in no error and no log line when HAProxy is away", async () => {
    const runtime = new RuntimeApi(join(folder, "missing.sock"));
    await make("token", () => "secret-token").sync(runtime);
    assert.deepEqual(lines, []);
    await assert.rejects(runtime.setMapValue("/x", "token", "secret-token"), (error: Error) => {
      assert.doesNotMatch(`${error.stack ?? ""}${String(error.cause)}`, /secret-token/);
      return true;
    });
  });
});
