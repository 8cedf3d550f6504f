import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { EngineError, type Engine } from "../../pulumi-test-utils/src/index";
import { Bench } from "./support/bench";
import { CA, changesOf, EXTERNAL_OBJECTS, inOrder } from "./support/journal";

describe("on the real engine, HAProxy outside the cluster", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  /** m1 and m2 are control-plane nodes, lb1 and lb2 load-balancer hosts. */
  const config = (more: Record<string, unknown> = {}, lost = false) => ({
    ...bench.config([bench.node("m1", 11), bench.node("m2", 12)]),
    topology: { value: "external" },
    loadBalancers: {
      value: Object.fromEntries([
        bench.node("lb1", 21, lost ? { lost: true } : {}),
        bench.node("lb2", 22),
      ]),
    },
    ...Object.fromEntries(Object.entries(more).map(([key, value]) => [key, { value }])),
  });

  before(async () => {
    bench = await Bench.start("m1", "m2", "lb1", "lb2");
    bench.answers.set("m1-ca", { stdout: CA });
    engine = await bench.engine(config());
  });
  after(() => bench?.stop());

  it("is listed completely by the first preview, which touches no host", async () => {
    const names = (await engine.preview()).steps.map(({ name }) => name);
    for (const name of ["m1-ca", "lb1-updater", "lb2-haproxy", "lb1-token", "access-token-1"]) {
      assert.ok(names.includes(name), name);
    }
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("comes up in order, from bare machines to a cluster", async () => {
    const { outputs } = await engine.up();
    assert.equal(outputs["endpoint"]?.value, `https://localhost:${bench.api.endpoint.port}`);
    inOrder(
      bench.takeJournal(),
      "m2 join-credentials-for-m1 apply",
      "m1 m1-ca apply",
      "lb1 updater-service-6444 apply",
      "lb1 haproxy-service-6444 apply",
      "lb2 updater-service-6444 apply",
      "lb2 haproxy-service-6444 apply",
      "m1 m1-bootstrap apply",
      "m1 kubeconfig apply",
      "PATCH secrets/control-plane-lb-token-1",
      "lb1 updater-token-6444 apply",
      "m1 join-credentials-for-m2 apply",
      "m2 m2-bootstrap apply",
    );
    assert.deepEqual(bench.api.names(), EXTERNAL_OBJECTS);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
    });
  });

  it("keeps the token out of the state's plain text", () => {
    const stored = engine.storedText();
    const token = bench.api.tokenOf("control-plane-lb-token-1");
    for (const text of [token, Buffer.from(token).toString("base64")]) {
      assert.ok(!stored.includes(text.slice(0, 40)), text);
    }
  });

  it("changes nothing in a second up", async () => {
    assert.deepEqual(Object.keys((await engine.up()).summary), ["same"]);
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("changes one host at a time, and stops at a host that does not become healthy", async () => {
    engine.setConfig(config({ haproxy: { checks: { rise: 3 } } }));
    bench.answers.set("updater-service-6444", { stderr: "it does not serve again\n", code: 1 });
    await assert.rejects(engine.up(), (error) => {
      assert.ok(error instanceof EngineError);
      assert.match(error.diagnostics.join("\n"), /lb1-updater[^]*it does not serve again/);
      return true;
    });
    assert.deepEqual(
      bench.takeJournal().filter((line) => line.startsWith("lb2 ")),
      [],
    );
    bench.answers.delete("updater-service-6444");
    const { steps } = await engine.up();
    assert.deepEqual(changesOf(steps), ["update lb1-updater", "update lb2-updater"]);
    inOrder(
      bench.takeJournal(),
      "lb1 updater-service-6444 apply",
      "lb2 updater-service-6444 apply",
    );
  });

  it("deletes the former token only after every host has used the new one", async () => {
    const rotated = { haproxy: { checks: { rise: 3 } }, token: { generation: 2 } };
    engine.setConfig(config(rotated));
    bench.answers.set("updater-token-6444", { stderr: "has not synced\n", code: 1 });
    await assert.rejects(engine.up());
    assert.ok(bench.api.names().includes("secrets/control-plane-lb-token-1"));
    bench.answers.delete("updater-token-6444");
    bench.takeJournal();
    await engine.up();
    const journal = bench.takeJournal();
    for (const host of ["lb1", "lb2"]) {
      inOrder(
        journal,
        `${host} updater-token-6444 apply`,
        "DELETE secrets/control-plane-lb-token-1",
      );
    }
    assert.ok(bench.api.names().includes("secrets/control-plane-lb-token-2"));
  });

  it("is destroyed without a dead host that is marked as lost", async () => {
    await bench.stopHost("lb1");
    const more = { haproxy: { checks: { rise: 3 } }, token: { generation: 2 } };
    engine.setConfig(config(more, true));
    await engine.up();
    bench.takeJournal();
    // a leaving host reads the list, and the mark that is gone when everything is destroyed
    const listed: unknown[] = [];
    const inUse: unknown[] = [];
    assert.equal(bench.api.annotations("haproxy-backends")["control-plane-lb/in-use"], "true");
    bench.answers.set("m2-bootstrap", () => {
      const there = bench.api.configMap("haproxy-backends") !== undefined;
      listed.push(
        there && bench.api.annotations("haproxy-backends")["control-plane-lb/control-plane-nodes"],
      );
      inUse.push(bench.api.annotations("haproxy-backends")["control-plane-lb/in-use"]);
      return { stdout: "done\n" };
    });
    await engine.destroy();
    assert.deepEqual(listed, ['["m1","m2"]']);
    assert.deepEqual(inUse, [undefined]);
    const journal = bench.takeJournal();
    inOrder(
      journal,
      "m2 m2-bootstrap remove",
      "lb2 updater-token-6444 remove",
      "m1 m1-bootstrap remove",
      "lb2 haproxy-service-6444 remove",
      "lb2 updater-service-6444 remove",
      "m1 clean-up remove",
    );
    assert.deepEqual(bench.api.names(), []);
    assert.ok(!journal.some((line) => line.startsWith("lb1 ")));
  });
});

describe("on the real engine, HAProxy outside the cluster", function () {
  this.timeout(300_000);

  it("outlives an init node that is gone for good", async () => {
    const bench = await Bench.start("m1", "m2", "lb1");
    try {
      bench.answers.set("m1-ca", { stdout: CA });
      bench.answers.set("m2-ca", { stdout: CA });
      const config = (lost: boolean) => ({
        ...bench.config([bench.node("m1", 11, lost ? { lost } : {}), bench.node("m2", 12)]),
        topology: { value: "external" },
        loadBalancers: { value: Object.fromEntries([bench.node("lb1", 21)]) },
      });
      const engine = await bench.engine(config(false));
      await engine.up();
      await bench.stopHost("m1");
      engine.setConfig(config(true));
      bench.takeJournal();
      await engine.up();
      assert.ok(bench.takeJournal().includes("m2 m2-ca apply"));
    } finally {
      await bench.stop();
    }
  });
});

describe("on the real engine, HAProxy outside a cluster that exists", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  before(async () => {
    bench = await Bench.start("m1", "m2", "lb1");
    engine = await bench.engine({
      ...bench.existing([bench.node("m1", 11), bench.node("m2", 12)]),
      topology: { value: "external" },
      loadBalancers: { value: Object.fromEntries([bench.node("lb1", 21)]) },
    });
  });
  after(() => bench?.stop());

  it("changes nothing while an API server's certificate does not include the endpoint", async () => {
    const reason = "the certificate of m1's API server does not include lb.example: add it";
    bench.answers.set("lb1", { stderr: `${reason}\n`, code: 1 });
    await assert.rejects(engine.up(), (error) => {
      assert.ok(error instanceof EngineError);
      assert.ok(error.diagnostics.join("\n").includes(reason));
      return true;
    });
    bench.answers.delete("lb1");
    assert.deepEqual(bench.takeJournal(), ["lb1 lb1 apply"]);
    assert.deepEqual(bench.api.names(), []);
  });

  it("comes up without kubeadm: HAProxy with the CA, then rights, ConfigMap and token", async () => {
    await engine.up();
    const journal = bench.takeJournal();
    inOrder(
      journal,
      "lb1 lb1 apply",
      "lb1 updater-service-6444 apply",
      "lb1 haproxy-service-6444 apply",
    );
    // whose cluster it is comes before any change of a host
    inOrder(journal, "PATCH configmaps/haproxy-backends", "lb1 updater-service-6444 apply");
    for (const object of EXTERNAL_OBJECTS.filter(
      (each) => each !== "configmaps/haproxy-backends",
    )) {
      inOrder(
        journal,
        "lb1 haproxy-service-6444 apply",
        `PATCH ${object}`,
        "lb1 updater-token-6444 apply",
      );
    }
    assert.deepEqual(bench.api.names(), EXTERNAL_OBJECTS);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
    });
    assert.deepEqual(
      journal.filter((line) => /^m\d /.test(line)),
      [],
    );
  });

  it("is destroyed, and leaves the cluster as it was", async () => {
    await engine.destroy();
    inOrder(
      bench.takeJournal(),
      "lb1 haproxy-service-6444 remove",
      "lb1 updater-service-6444 remove",
    );
    assert.deepEqual(bench.api.names(), []);
  });
});
