import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HaproxySpec } from "../../../haproxy/config";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import { RuntimeApi, type Snapshot } from "../../../haproxy/runtime";
import { CheckToken } from "../../../updater/apply/check-token";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Warnings } from "../../../updater/report/warnings";

describe("the token of HAProxy's checks", () => {
  let folder: string;
  let lines: string[];
  let metrics: Metrics;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "check-token-"));
    lines = [];
    metrics = new Metrics();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const make = (authentication: "anonymous" | "token", token: () => string): CheckToken => {
    const haproxy = {
      ...HAPROXY_DEFAULTS,
      stateFile: join(folder, "state"),
      checks: { ...HAPROXY_DEFAULTS.checks, authentication },
    } as HaproxySpec;
    const log = createLog((line) => lines.push(line));
    return new CheckToken({ haproxy, token, log, metrics });
  };
  const file = (): string => readFileSync(join(folder, "check-token.map"), "utf8");
  const fail = (): string => {
    throw new Error("no token");
  };

  it("stands in a file of its own, for few to read, and only if checks use it", () => {
    assert.equal(make("anonymous", () => "t1").write(), undefined);
    assert.throws(file, /ENOENT/);
    assert.equal(make("token", () => "t1").write(), "t1");
    assert.equal(file(), "token t1\n");
    assert.equal(statSync(join(folder, "check-token.map")).mode & 0o777, 0o640);
  });

  it("keeps the last one when it cannot be read, and says so once; HAProxy has a file in any case", () => {
    const none = make("token", fail);
    assert.equal(none.write(), undefined);
    assert.equal(file(), "token none\n");
    make("token", () => "t1").write();
    none.write();
    assert.equal(file(), "token t1\n");
    assert.equal(lines.length, 1);
    assert.equal(metrics.errors("token"), 1);
  });

  it("is in no error and no log line when HAProxy is away", async () => {
    const runtime = new RuntimeApi(join(folder, "nobody.sock"));
    await make("token", () => "secret-token").sync(runtime);
    assert.deepEqual(lines, []);
    await assert.rejects(runtime.setMapValue("/x", "token", "secret-token"), (error: Error) => {
      assert.doesNotMatch(`${error.stack ?? ""}${String(error.cause)}`, /secret-token/);
      return true;
    });
  });
});

describe("warnings", () => {
  const snapshot = (maxConnections: number, checkCode: number): Snapshot => ({
    ...{ pid: 1, description: "", maxConnections, servers: [] },
    stats: [
      {
        pool: "ready",
        slot: 0,
        status: "DOWN",
        checkStatus: "L7STS",
        checkCode,
        sinceSeconds: 10,
        sessions: 0,
      },
    ],
  });

  it("are told when they begin, once, and again when they come back", () => {
    const told: string[] = [];
    const warnings = new Warnings({
      haproxy: HAPROXY_DEFAULTS as HaproxySpec,
      log: createLog(() => undefined),
      onProblem: (reason, message) => told.push(`${reason}: ${message}`),
    });
    for (const [limit, code] of [
      [5000, 500],
      [200, 401],
      [200, 401],
      [5000, 200],
      [5000, 403],
    ] as const) {
      warnings.look(snapshot(limit, code));
    }
    assert.equal(told.length, 3);
    assert.match(
      told[0] ?? "",
      /^ChecksUnauthorized: .*set haproxy\.checks\.authentication to token/,
    );
    assert.match(told[1] ?? "", /^FewOpenFiles: .* allows 150 of haproxy\.maxConnections 4000/);
    assert.match(told[2] ?? "", /^ChecksUnauthorized: /);
  });
});
