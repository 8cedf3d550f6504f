import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { inOrder } from "./support/journal";

describe("on the real engine, the administrator's kubeconfig", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  const config = (generation = 1) =>
    bench.config([bench.node("m1", 11), bench.node("m2", 12, { generation })]);

  before(async () => {
    bench = await Bench.start("m1", "m2");
    engine = await bench.engine(config());
  });
  after(() => bench?.stop());

  it("is refused where a node hands on a command to run", async () => {
    const given = JSON.parse(bench.api.kubeconfig()) as { users: [{ user: object }] };
    given.users[0].user = { exec: { command: "/bin/evil" } };
    bench.answers.set("kubeconfig", { stdout: JSON.stringify(given) });
    await assert.rejects(engine.up(), (error) => {
      assert.ok(error instanceof EngineError, String(error));
      const text = error.diagnostics.join("\n");
      assert.match(text, /users\.user\.exec is not allowed in it/);
      assert.ok(!text.includes("evil"), text);
      assert.doesNotMatch(text, /\n\s+at /, "a stack trace");
      return true;
    });
    assert.deepEqual(bench.api.names(), []);
    bench.answers.delete("kubeconfig");
  });

  it("is read again when the generation of any node is raised, after the last join", async () => {
    engine.setConfig(config(2));
    await engine.up();
    bench.takeJournal();
    engine.setConfig(config(3));
    await engine.up();
    inOrder(bench.takeJournal(), "m2 m2-bootstrap apply", "m1 kubeconfig apply");
    assert.deepEqual(Object.keys((await engine.up()).summary), ["same"]);
  });
});
