import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { EngineError, type ConfigValue, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { changesOf } from "./support/journal";

describe("on the real engine, a roll of HAProxy's pods", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  before(async () => {
    bench = await Bench.start("m1", "m2", "m3");
    engine = await bench.engine(withIdle("1h"));
    await engine.up();
  });
  beforeEach(() => bench.takeJournal());
  after(() => bench?.stop());

  const withIdle = (idle: string): Record<string, ConfigValue> => ({
    ...bench.existing(),
    haproxy: { value: { timeouts: { idle } } },
  });
  const failed = async (run: Promise<unknown>): Promise<EngineError> => {
    const error: unknown = await run.then(
      () => undefined,
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof EngineError, String(error));
    return error;
  };

  it("reaches the nodes that work while one is off, and names that one", async () => {
    bench.api.pods.off.add("m3");
    const former = bench.api.template();
    engine.setConfig(withIdle("2h"));
    const { messages } = await engine.up();
    const template = bench.api.template();
    assert.notEqual(template, former);
    const reached = { m1: template, m2: template, m3: former };
    assert.deepEqual(bench.api.pods.templates(), reached);
    assert.match(messages.join("\n"), /m3 is off: its kubelet does not report/);
    bench.api.pods.off.clear();
  });

  it("that is killed, and set back, ends with the pods of the program", async () => {
    const former = bench.api.template();
    bench.api.pods.stalled = true;
    engine.setConfig(withIdle("3h"));
    const up = engine.spawnUp("stacks/program.ts");
    await bench.until("a look at the pods of the changed DaemonSet", () => {
      return bench.api.template() !== former && bench.api.pods.looks > 0;
    });
    await up.kill();
    bench.api.pods.stalled = false;
    await engine.cancel();
    engine.setConfig(withIdle("2h"));
    await engine.up();
    assert.equal(bench.api.template(), former);
    assert.deepEqual(new Set(Object.values(bench.api.pods.templates())), new Set([former]));
  });

  it("stops at the first new pod whose updater ends, and names its container", async () => {
    const former = bench.api.template();
    bench.api.pods.crashNext(former);
    engine.setConfig(withIdle("4h"));
    const { diagnostics } = await failed(engine.up());
    const text = diagnostics.join("\n");
    assert.match(text, /m\d: pod haproxy-m\d: container updater: it ended with exit code 1/);
    assert.match(text, /The other nodes keep their former pods.* run pulumi up/);
    assert.doesNotMatch(text, /\n\s+at /, "a stack trace");
    const templates = Object.values(bench.api.pods.templates());
    assert.equal(templates.filter((template) => template !== former).length, 1);
    const kept = bench.api.names().filter((name) => name.endsWith("-updater"));
    assert.equal(kept.length, 2, "the pods that are not replaced need the former ConfigMap");
  });

  it("that has failed is mended by the next up, which keeps one ConfigMap of the updater", async () => {
    engine.setConfig(withIdle("2h"));
    await engine.up();
    const template = bench.api.template();
    const { m1, m2, m3 } = bench.api.pods.templates();
    assert.deepEqual([m1, m2, m3], [template, template, template]);
    assert.equal(bench.api.names().filter((name) => name.endsWith("-updater")).length, 1);
    assert.deepEqual(changesOf((await engine.up()).steps), []);
  });

  for (const [kind, name, change] of [
    ["daemonsets", "control-plane-lb", () => withIdle("5h")],
    ["configmaps", "haproxy-backends", () => bench.existing([bench.node("m1", 11)])],
  ] as const) {
    it(`is refused with the way out when ${kind}/${name} was deleted by hand, in a preview too`, async () => {
      bench.api.delete(kind, name);
      engine.setConfig(change());
      const { diagnostics } = await failed(engine.preview());
      const text = diagnostics.join("\n");
      assert.match(text, new RegExp(`${kind} ${name} is gone from the cluster`));
      assert.match(text, /pulumi up --refresh/);
      engine.setConfig(withIdle("2h"));
      await engine.up({ refresh: true });
      assert.ok(bench.api.names().includes(`${kind}/${name}`));
    });
  }
});
