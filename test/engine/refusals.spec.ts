import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";

describe("on the real engine, a configuration with errors", function () {
  this.timeout(300_000);
  let bench: Bench;

  before(async () => {
    bench = await Bench.start("m1", "m2");
  });
  after(() => bench?.stop());

  const refused = async (engine: Engine): Promise<EngineError> => {
    const error: unknown = await engine.up().then(
      () => undefined,
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof EngineError, String(error));
    return error;
  };

  it("is refused with all errors and no stack trace, in preview and up, before any resource", async () => {
    const config = bench.config([["m1", { address: "10.0.0.300" }]]);
    const engine = await bench.engine({
      ...config,
      forward: { value: { kind: "pigeon" } },
      nodse: { value: {} },
    });
    const error = await refused(engine);
    const text = error.diagnostics.join("\n");
    for (const path of ["nodes.m1.address: got", "forward.kind: got", "nodse: unknown key"]) {
      assert.ok(text.includes(path), text);
    }
    assert.doesNotMatch(text, /\n\s+at /, "a stack trace");
    assert.deepEqual(
      error.result.steps.filter(({ type }) => type !== "pulumi:pulumi:Stack"),
      [],
    );
    await assert.rejects(engine.preview(), /nodes\.m1\.address: got "10\.0\.0\.300"/);
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("that a firewall makes useless starts no HAProxy, and names both hosts and the port", async () => {
    const engine = await bench.engine(bench.config());
    const reason =
      "m2-reachability: m1 (10.0.0.11) cannot be reached on the LB port 6444 from this host";
    bench.answers.set("m2-reachability", { stderr: `${reason}\n`, code: 1 });
    try {
      const text = (await refused(engine)).diagnostics.join("\n");
      assert.ok(text.includes(reason), text);
      assert.ok(!bench.takeJournal().includes("PATCH daemonsets/control-plane-lb"));
    } finally {
      bench.answers.clear();
      await engine.destroy();
      bench.takeJournal();
    }
  });

  it("that leaves HAProxy without a pod is named by up, with what to do", async () => {
    const engine = await bench.engine(bench.existing());
    bench.api.pods = 0;
    try {
      const { messages } = await engine.up();
      assert.match(
        messages.join("\n"),
        /HAProxy runs on 0 of 2 control-plane nodes: .*kubectl label node NAME/,
      );
      bench.api.pods = 2;
      assert.doesNotMatch((await engine.up({ refresh: true })).messages.join("\n"), /HAProxy runs/);
    } finally {
      bench.api.pods = 3;
      await engine.destroy();
      bench.takeJournal();
    }
  });

  it("that a host refuses changes nothing, and shows the host's reason", async () => {
    const engine = await bench.engine(bench.config());
    const reason = "m2: port 6444 is held by nginx: stop it or choose another endpoint.port";
    bench.answers.set("m2", { stderr: `${reason}\n`, code: 1 });
    try {
      const error = await refused(engine);
      const text = error.diagnostics.join("\n");
      assert.ok(text.includes(reason), text);
      assert.match(text, /m2-preflight/);
      const ran = bench.takeJournal();
      assert.ok(ran.includes("m2 m2 apply"), ran.join());
      assert.deepEqual(
        ran.filter((line) => line !== "m1 m1 apply" && line !== "m2 m2 apply"),
        [],
      );
      assert.deepEqual(bench.api.names(), []);
    } finally {
      bench.answers.clear();
    }
  });
});
