import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { EngineError, type ConfigValue, type Engine } from "../../pulumi-test-utils/src/index";
import { run } from "../../tools/src/index";
import { Bench } from "./support/bench";

describe("on the real engine, a stack whose machines are all gone", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;
  let lost: Record<string, ConfigValue>;

  before(async () => {
    bench = await Bench.start("m1");
    engine = await bench.engine(bench.existing());
    await engine.up();
    lost = bench.existing([bench.node("m1", 11, { lost: true })]);
    await bench.stopHost("m1");
    await bench.api.stop();
  });
  after(() => bench?.stop());

  it("is refused with the way to go when all nodes are marked as lost", async () => {
    engine.setConfig(lost);
    await assert.rejects(engine.up(), (error) => {
      assert.ok(error instanceof EngineError);
      assert.match(
        error.diagnostics.join("\n"),
        /nodes: all are lost or away: at least one must be reachable; if the whole site is gone, `pulumi stack rm --force --preserve-config` removes the stack/,
      );
      return true;
    });
  });

  it("goes with one command, which contacts no machine and keeps the configuration", async () => {
    const pulumi = path.join(engine.env["PULUMI_HOME"] ?? "", "bin/pulumi");
    const work = path.join(engine.home, "work");
    const command = [pulumi, "stack", "rm", "test", "--force", "--preserve-config", "--yes"];
    await run(command, { cwd: work, env: engine.env });
    const { stdout } = await run([pulumi, "stack", "ls", "--json"], {
      cwd: work,
      env: engine.env,
    });
    assert.deepEqual(JSON.parse(stdout), []);
    assert.ok(existsSync(path.join(work, "Pulumi.test.yaml")));
  });
});
