import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type ConfigValue, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { CA, changesOf } from "./support/journal";

type Config = Record<string, ConfigValue>;

/** Lines of scripts and requests that change something: all but preflights. */
function changes(journal: readonly string[]): string[] {
  return journal.filter((line) => !/^\w+ (m\d|cp2|lb\w) apply$/.test(line));
}

describe("on the real engine, a change that one up cannot make", function () {
  this.timeout(300_000);
  let bench: Bench;

  before(async () => {
    bench = await Bench.start("m1", "m2", "lb1");
    bench.answers.set("m1-ca", { stdout: CA });
  });
  after(() => bench?.stop());

  const refused = async (engine: Engine, reason: RegExp): Promise<void> => {
    const clearly = (error: unknown) => {
      assert.ok(error instanceof EngineError, String(error));
      const text = error.diagnostics.join("\n");
      assert.match(text, reason);
      assert.doesNotMatch(text, /\n\s+at /, "a stack trace");
      return true;
    };
    await assert.rejects(engine.preview(), clearly);
    assert.deepEqual(bench.takeJournal(), []);
    await assert.rejects(engine.up(), clearly);
    assert.deepEqual(changes(bench.takeJournal()), []);
  };

  describe("of a cluster that kubeadm makes", () => {
    let engine: Engine;
    const nodes = (last = 12) => [bench.node("m1", 11), bench.node("m2", last)];

    before(async () => {
      engine = await bench.engine(bench.config(nodes()));
      await engine.up();
      bench.takeJournal();
    });

    after(async () => {
      engine.setConfig(bench.config(nodes()));
      await engine.destroy();
      bench.takeJournal();
    });

    const cases: Record<string, [() => Config, RegExp]> = {
      "the LB port": [
        () => ({
          ...bench.config(nodes()),
          endpoint: { value: { host: "localhost", port: 7444 } },
        }),
        /endpoint\.port was \d+, and the configuration says 7444; nothing was changed/,
      ],
      "the API servers' port": [
        () => ({ ...bench.config(nodes()), ports: { value: { api: 6543 } } }),
        /ports\.api was 6443/,
      ],
      "the name of a machine": [
        () => bench.config([bench.node("m1", 11), ["cp2", bench.node("m2", 12)[1]]]),
        /nodes\.cp2 has the address 10\.0\.0\.12 of nodes\.m2/,
      ],
      "a name in the certificates": [
        () => ({
          ...bench.config(nodes()),
          kubeadm: { value: { certSANs: ["lb.example"] } },
        }),
        /kubeadm\.certSANs changed, but kubeadm reads it only when it makes the cluster/,
      ],
      "a fragment of kubeadm's configuration": [
        () => ({
          ...bench.config(nodes()),
          kubeadm: { value: { kubeletConfiguration: { maxPods: 50 } } },
        }),
        /kubeadm\.kubeletConfiguration changed/,
      ],
      "the address of a node": [
        () => bench.config(nodes(22)),
        /nodes\.m2\.address was 10\.0\.0\.12/,
      ],
    };
    for (const [what, [config, reason]] of Object.entries(cases)) {
      it(`${what} is refused before anything changes`, async () => {
        engine.setConfig(config());
        await refused(engine, reason);
      });
    }

    it("changes nothing when it is set back", async () => {
      engine.setConfig(bench.config(nodes()));
      await engine.up();
      assert.deepEqual(changes(bench.takeJournal()), []);
    });

    it("is known of a stack that kept its topology alone, without replacing anything", async () => {
      const state = await engine.exportState();
      const { resources } = state.deployment as {
        resources: { type: string; inputs: object; outputs: object }[];
      };
      const stash = resources.find(({ type }) => type === "pulumi:index:Stash");
      assert.ok(stash !== undefined);
      stash.inputs = { input: "daemonset" };
      stash.outputs = { input: "daemonset", output: "daemonset" };
      await engine.importState(state);

      engine.setConfig({ ...bench.config(nodes()), topology: { value: "external" } });
      await refused(engine, /was made with topology daemonset/);
      engine.setConfig(bench.config(nodes()));
      const changed = changesOf((await engine.up()).steps);
      assert.deepEqual(
        changed.filter((line) => !line.endsWith("-preflight")),
        ["update topology"],
      );
      assert.deepEqual(changes(bench.takeJournal()), []);
    });
  });
});
