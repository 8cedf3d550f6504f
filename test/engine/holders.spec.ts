import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { Host } from "../../components/ssh/host";
import { remoteScript } from "../../components/ssh/remote-script";
import { hostScript } from "../../host/shell";
import { Engine, EngineError } from "../../pulumi-test-utils/src/index";
import { Bench, PROJECT_FILE } from "./support/bench";
import { changesOf, EXTERNAL_OBJECTS, inOrder } from "./support/journal";

const STACK = "organization/control-plane-lb/test";

describe("on the real engine, a load-balancer host", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  const config = (name: string) => ({
    ...bench.existing([bench.node("m1", 11)]),
    topology: { value: "external" },
    loadBalancers: { value: { [name]: bench.node("lb1", 21)[1] } },
  });
  const takeHolders = () => bench.holders.splice(0);

  before(async () => {
    bench = await Bench.start("m1", "lb1");
    engine = await bench.engine(config("lb1"));
  });
  after(() => bench?.stop());

  it("that a failed first up has changed is cleaned up by destroy", async () => {
    bench.answers.set("haproxy-service-6444", { stderr: "it does not start\n", code: 1 });
    await assert.rejects(engine.up());
    bench.answers.delete("haproxy-service-6444");
    bench.takeJournal();
    await engine.destroy();
    const journal = bench.takeJournal();
    // the failed part is in no state
    assert.ok(!journal.includes("lb1 haproxy-service-6444 remove"));
    inOrder(journal, "lb1 updater-service-6444 remove", "lb1 clean-up remove");
  });

  it("gets its scripts with the stack and the node that they run for", async () => {
    takeHolders();
    await engine.up();
    for (const line of takeHolders()) assert.match(line, / apply organization\S+test lb1$/);
  });

  it("that is renamed gets its parts again before the former name gives them up", async () => {
    engine.setConfig(config("lba"));
    await engine.up();
    inOrder(
      takeHolders(),
      `haproxy-service-6444 apply ${STACK} lba`,
      `updater-token-6444 apply ${STACK} lba`,
      `haproxy-service-6444 remove ${STACK} lb1`,
      `clean-up remove ${STACK} lb1`,
    );
  });
});

describe("on the real engine, a node of a cluster that exists", function () {
  this.timeout(300_000);
  let bench: Bench;

  before(async () => {
    bench = await Bench.start("m1", "m2");
  });
  after(() => bench?.stop());

  it("that is renamed gets its forward and its key before the former name gives them up", async () => {
    const config = (name: string) =>
      bench.existing([bench.node("m1", 11), [name, bench.node("m2", 12)[1]]]);
    const engine = await bench.engine(config("m2"));
    await engine.up();
    bench.holders.splice(0);
    engine.setConfig(config("cp2"));
    await engine.up();
    inOrder(
      bench.holders.splice(0),
      `forward apply ${STACK} cp2`,
      `forward remove ${STACK} m2`,
      `clean-up remove ${STACK} m2`,
    );
    const backends = { m1: "10.0.0.11:6443", cp2: "10.0.0.12:6443" };
    assert.deepEqual(bench.api.configMap("haproxy-backends"), backends);
  });
});

describe("on the real engine, a second stack on the same cluster", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let first: Engine;
  let second: Engine;

  before(async () => {
    bench = await Bench.start("m1", "lb1");
    const nodes = [bench.node("m1", 11)];
    first = await bench.engine(bench.existing(nodes), "first");
    const external = {
      ...bench.existing(nodes),
      topology: { value: "external" },
      loadBalancers: { value: Object.fromEntries([bench.node("lb1", 21)]) },
    };
    second = await bench.engine(external, "second");
    await first.up();
    bench.takeJournal();
  });
  after(() => bench?.stop());

  it("is refused with the name of the first, and changes nothing", async () => {
    const objects = bench.api.names();
    await assert.rejects(second.up(), (error) => {
      assert.ok(error instanceof EngineError);
      assert.match(
        error.diagnostics.join("\n"),
        /conflict with "organization\/control-plane-lb\/first": \.metadata\.annotations\.control-plane-lb\/stack/,
      );
      return true;
    });
    assert.deepEqual(bench.takeJournal(), ["lb1 lb1 apply"]);
    assert.deepEqual(bench.api.names(), objects);
  });

  it("takes nothing away when it is destroyed", async () => {
    await second.destroy();
    assert.deepEqual(
      bench.takeJournal().filter((line) => !line.startsWith("lb1 ")),
      [],
    );
    assert.deepEqual(Object.keys((await first.up()).summary), ["same"]);
  });

  it("takes the cluster over once the first has been made to give it up", async () => {
    bench.api.handOver();
    await second.up();
    await first.destroy();
    await second.up({ refresh: true });
    assert.deepEqual(bench.api.names(), EXTERNAL_OBJECTS);
    assert.equal(
      bench.api.annotations("haproxy-backends")["control-plane-lb/stack"],
      "organization/control-plane-lb/second",
    );
  });
});

describe("on the real engine, a second stack of topology daemonset on the same cluster", function () {
  this.timeout(300_000);
  let bench: Bench;
  after(() => bench?.stop());

  it("is refused in preview and up, before any host changes", async () => {
    bench = await Bench.start("m1");
    const nodes = [bench.node("m1", 11)];
    await (await bench.engine(bench.existing(nodes), "first")).up();
    const second = await bench.engine(bench.existing(nodes), "second");
    bench.takeJournal();
    for (const run of [() => second.preview(), () => second.up()]) {
      await assert.rejects(run(), (error) => {
        assert.ok(error instanceof EngineError);
        const reason = /the cluster belongs to stack organization\/control-plane-lb\/first/;
        assert.match(error.diagnostics.join("\n"), reason);
        return true;
      });
      const changed = bench.takeJournal().filter((line) => line !== "m1 m1 apply");
      assert.deepEqual(changed, []);
    }
  });
});

describe("on the real engine, join credentials", function () {
  this.timeout(300_000);
  let bench: Bench;
  after(() => bench?.stop());

  it("keep their resource although its name has changed", async () => {
    bench = await Bench.start("m1");
    const [, { sshPort }] = bench.node("m1", 11) as [string, { sshPort: number }];
    const target = {
      host: "127.0.0.1",
      port: sshPort,
      user: "ops",
      hostKey: bench.hostKey.public.split(" ").slice(0, 2).join(" "),
      privateKey: bench.userKey.private,
    };
    const script = hostScript("join-credentials", { apply: ":" });
    const host = (name: string) =>
      new Host(name, { address: "10.0.0.11", target, generation: 1, lost: false, away: false });
    const programs = [
      () => {
        const parent = host("m2");
        const name = "m2-join-credentials-from-m1";
        remoteScript(name, { target, node: "m1", script }, { parent });
      },
      () => {
        const aliases = ["m2-join-credentials-from-m1"];
        const options = { owner: host("m2"), aliases };
        host("m1").run("join-credentials-from/m1", { script }, options);
      },
    ];
    let run = 0;
    const engine = await Engine.create({
      program: () => Promise.resolve(programs[run]?.()).then(() => ({})),
      projectFile: PROJECT_FILE,
      stack: "test",
      config: bench.config([bench.node("m1", 11)]),
    });
    try {
      await engine.up();
      run = 1;
      assert.deepEqual(changesOf((await engine.up()).steps), []);
    } finally {
      await engine.dispose();
    }
  });
});
