import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type ConfigValue, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";

const CA = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";

type Config = Record<string, ConfigValue>;

/** What did more than look at a host. */
function changes(journal: readonly string[]): string[] {
  return journal.filter((line) => !/^(\w+) \1 apply$/.test(line));
}

describe("on the real engine, an environment that is to change its topology", function () {
  this.timeout(300_000);
  let bench: Bench;

  before(async () => {
    bench = await Bench.start("m1", "m2", "lb1");
    bench.answers.set("m1-ca", { stdout: CA });
  });
  after(() => bench?.stop());

  const daemonset = (): Config => bench.config([bench.node("m1", 11), bench.node("m2", 12)]);
  const onControlPlaneNodes = (): Config => ({ ...daemonset(), topology: { value: "external" } });
  const own = () => ({ loadBalancers: { value: Object.fromEntries([bench.node("lb1", 21)]) } });
  const onHostsOfItsOwn = (): Config => ({ ...onControlPlaneNodes(), ...own() });

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

  it("is refused whole in either direction, goes on as it was, and moves by a destroy", async () => {
    const engine = await bench.engine(daemonset());
    await engine.up();
    const objects = bench.api.names();
    bench.takeJournal();
    for (const external of [onControlPlaneNodes(), onHostsOfItsOwn()]) {
      engine.setConfig(external);
      await refused(engine, "daemonset", "external");
      assert.deepEqual(bench.api.names(), objects);
    }
    engine.setConfig(daemonset());
    await engine.up();
    assert.deepEqual(changes(bench.takeJournal()), [], "back again, nothing is to be done");

    engine.setConfig(onHostsOfItsOwn());
    await engine.destroy();
    assert.deepEqual(bench.api.names(), []);
    await engine.up();
    bench.takeJournal();
    engine.setConfig(daemonset());
    await refused(engine, "external", "daemonset");
    await engine.destroy();
    bench.takeJournal();
  });

  it("is free to choose again as long as no host was changed", async () => {
    const engine = await bench.engine(daemonset());
    bench.answers.set("m2", { stderr: "port 6444 is held by nginx\n", code: 1 });
    await assert.rejects(engine.up(), /held by nginx/);
    bench.answers.delete("m2");
    engine.setConfig(onControlPlaneNodes());
    await engine.up();
    await engine.destroy();
    bench.takeJournal();
  });

  it("moves without a gap by a second stack on other hosts, which then completes what the first took away", async () => {
    const first = await bench.engine(daemonset());
    await first.up();
    const second = await bench.engine({
      ...bench.existing([bench.node("m1", 11), bench.node("m2", 12)], CA),
      ...own(),
      topology: { value: "external" },
    });
    bench.takeJournal();

    await second.up();
    assert.deepEqual(
      bench.takeJournal().filter((line) => /^m\d /.test(line)),
      [],
      "masters serve on as they are",
    );
    await first.destroy();
    assert.deepEqual(
      bench.takeJournal().filter((line) => line.startsWith("lb1 ")),
      [],
      "the new hosts serve on as they are",
    );

    await second.up({ refresh: true });
    assert.deepEqual(bench.api.names(), [
      "configmaps/haproxy-backends",
      "rolebindings/control-plane-lb",
      "roles/control-plane-lb",
      "secrets/control-plane-lb-token-1",
      "serviceaccounts/control-plane-lb",
    ]);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
    });
    await second.destroy();
  });
});
