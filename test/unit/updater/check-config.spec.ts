import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkWith, probeCheck, RefusedConfigError } from "../../../updater/apply/check-config";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Reporter } from "../../../updater/report/reporter";

describe("checkWith", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "updater-files-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const testContext = () => {
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    const metrics = new Metrics();
    return { lines, log, metrics, report: new Reporter({ log, metrics }) };
  };
  const available = (metrics: Metrics): string | undefined =>
    /_config_check_available (\d)$/m.exec(metrics.render())?.[1];

  it("passes a file with exit code 0", () => {
    const context = testContext();
    checkWith(["true"], context)(at("f"));
    assert.deepEqual(context.lines, []);
    assert.equal(available(context.metrics), "1");
  });

  it("refuses a file with the checker's own message", () => {
    const refuse = checkWith(["sh", "-c", "echo line 3 is bad >&2; exit 1"], testContext());
    assert.throws(() => refuse(at("f")), RefusedConfigError);
    assert.throws(() => refuse(at("f")), /line 3 is bad/);
  });

  it("refuses a file with the same message each time: without HAProxy's process id", () => {
    const refusal = 'echo "[ALERT]    ($$) : config : parsing [$0:1]: unknown keyword" >&2; exit 1';
    const refuse = checkWith(["sh", "-c", refusal], testContext());
    assert.throws(() => refuse("f"), { message: /: \[ALERT\] config : parsing \[f:1\]: unknown/ });
  });

  const missing: [string, readonly string[] | undefined, RegExp, boolean][] = [
    ["is not set", undefined, /no checkCommand is set/, false],
    ["does not exist", ["/no/such/program"], /\/no\/such\/program.*ENOENT/, true],
    ["lacks a library", ["sh", "-c", "echo libx.so: not found >&2; exit 127"], /libx\.so/, true],
  ];
  const asks: [string, typeof probeCheck][] = [
    ["probeCheck", probeCheck],
    ["checkWith", (...args) => checkWith(...args)(at("f"))],
  ];
  for (const [title, command, reason, isProblem] of missing) {
    for (const [name, ask] of asks) {
      it(`reports that the command ${title}, and lets files pass (${name})`, () => {
        const context = testContext();
        context.metrics.configCheckAvailable = true;
        ask(command, context);
        assert.equal(context.lines.length, 1);
        assert.match(context.lines[0] ?? "", /"warn".*WITHOUT a check/);
        assert.match(context.lines[0] ?? "", reason);
        assert.equal(available(context.metrics), "0");
        assert.equal(context.report.list().length, isProblem ? 1 : 0);
      });
    }
  }

  it("gives no verdict on the file when the check was killed", () => {
    const killed = checkWith(["sh", "-c", "kill -9 $$"], testContext());
    assert.throws(
      () => killed(at("f")),
      (error: Error) =>
        !(error instanceof RefusedConfigError) && /could not check.*SIGKILL/.test(error.message),
    );
  });
});
