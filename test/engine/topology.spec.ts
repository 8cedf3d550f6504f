import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type ConfigValue, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { CA, EXTERNAL_OBJECTS } from "./support/journal";

type Config = Record<string, ConfigValue>;

/** Lines of scripts and requests that change something: all but preflights. */
function changes(journal: readonly string[]): string[] {
  return journal.filter((line) => !/^(\w+) \1 apply$/.test(line));
}

describe("on the real engine, a change of the topology", function () {
  this.timeout(300_000);
  let bench: Bench;

  before(async () => {
    bench = await Bench.start("m1", "m2", "lb1");
    bench.answers.set("m1-ca", { stdout: CA });
  });
  after(() => bench?.stop());

  const daemonset = (): Config => bench.config([bench.node("m1", 11), bench.node("m2", 12)]);
  const onControlPlaneNodes = (): Config => ({ ...daemonset(), topology: { value: "external" } });
  const dedicated = () => ({
    loadBalancers: { value: Object.fromEntries([bench.node("lb1", 21)]) },
  });
  const onDedicatedHosts = (): Config => ({ ...onControlPlaneNodes(), ...dedicated() });

  const refused = async (engine: Engine, former: string, next: string): Promise<void> => {
    const clearly = (error: unknown) => {
      assert.ok(error instanceof EngineError, String(error));
      const text = error.diagnostics.join("\n");
      assert.match(text, new RegExp(`with topology ${former}, and the configuration says ${next}`));
      assert.match(text, /Set it back to .* pulumi destroy/);
      assert.doesNotMatch(text, /\n\s+at /, "a stack trace");
      return true;
    };
    await assert.rejects(engine.preview(), clearly);
    assert.deepEqual(bench.takeJournal(), []);
    await assert.rejects(engine.up(), clearly);
    assert.deepEqual(changes(bench.takeJournal()), []);
  };

  it("is refused in either direction, and possible after a destroy", async () => {
    const engine = await bench.engine(daemonset());
    await engine.up();
    const objects = bench.api.names();
    bench.takeJournal();
    for (const external of [onControlPlaneNodes(), onDedicatedHosts()]) {
      engine.setConfig(external);
      await refused(engine, "daemonset", "external");
      assert.deepEqual(bench.api.names(), objects);
    }
    engine.setConfig(daemonset());
    await engine.up();
    assert.deepEqual(changes(bench.takeJournal()), [], "back again, nothing changes");

    engine.setConfig(onDedicatedHosts());
    await engine.destroy();
    assert.deepEqual(bench.api.names(), []);
    await engine.up();
    bench.takeJournal();
    engine.setConfig(daemonset());
    await refused(engine, "external", "daemonset");
    await engine.destroy();
    bench.takeJournal();
  });

  it("is allowed as long as no host was changed", async () => {
    const engine = await bench.engine(daemonset());
    bench.answers.set("m2", { stderr: "port 6444 is held by nginx\n", code: 1 });
    await assert.rejects(engine.up(), /held by nginx/);
    bench.answers.delete("m2");
    engine.setConfig(onControlPlaneNodes());
    await engine.up();
    await engine.destroy();
    bench.takeJournal();
  });

  it("works without a gap by a second stack on other hosts, which takes the cluster over and restores the objects that the first one deletes", async () => {
    const first = await bench.engine(daemonset());
    await first.up();
    const second = await bench.engine(
      {
        ...bench.existing([bench.node("m1", 11), bench.node("m2", 12)]),
        ...dedicated(),
        topology: { value: "external" },
      },
      "second",
    );
    bench.takeJournal();
    bench.api.handOver();

    await second.up();
    assert.deepEqual(
      bench.takeJournal().filter((line) => /^m\d /.test(line)),
      [],
      "control-plane nodes stay as they are",
    );
    await first.destroy();
    assert.deepEqual(
      bench.takeJournal().filter((line) => line.startsWith("lb1 ")),
      [],
      "the new hosts stay as they are",
    );

    await second.up({ refresh: true });
    assert.deepEqual(bench.api.names(), EXTERNAL_OBJECTS);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
    });
    await second.destroy();
  });
});
