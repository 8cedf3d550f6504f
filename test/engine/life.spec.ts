import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Engine } from "../../pulumi-test-utils/src/index";
import { parse } from "yaml";
import { certificates } from "../support/certificates";
import { Bench } from "./support/bench";
import { changesOf, DAEMONSET_OBJECTS, inOrder } from "./support/journal";

/** Checks that a new address of m2 repeats, on m1 and m2. */
const checks = ["update m1-preflight", "update m1-reachability", "update m2-preflight"];

describe("on the real engine, a cluster that kubeadm makes", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  before(async () => {
    bench = await Bench.start("m1", "m2", "m3");
    engine = await bench.engine(bench.config());
  });
  after(() => bench?.stop());

  it("is listed completely by the first preview, which touches no host", async () => {
    const { steps } = await engine.preview();
    const names = steps.map(({ name }) => name);
    for (const name of [
      "m1-preflight",
      "m3-forward",
      "m2-join-credentials-from/m1",
      "m3-bootstrap",
    ]) {
      assert.ok(names.includes(name), name);
    }
    for (const name of [
      "backends-key-m3",
      "backends-control-plane-nodes",
      "haproxy-daemon-set",
      "access-role",
    ]) {
      assert.ok(names.includes(name), name);
    }
    assert.deepEqual(new Set(steps.map(({ op }) => op)), new Set(["create"]));
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("comes up in order", async () => {
    const { outputs } = await engine.up();
    assert.equal(outputs["endpoint"]?.value, `https://localhost:${bench.api.endpoint.port}`);
    const { value, secret } = outputs["kubeconfig"] ?? {};
    assert.deepEqual(parse(String(value)), parse(bench.api.kubeconfig()));
    assert.equal(secret, true);
    const journal = bench.takeJournal();
    for (const check of ["m1 m1 apply", "m2 m2 apply", "m3 m3 apply"]) {
      inOrder(journal, check, "m1 forward apply");
      inOrder(journal, check, "m3 forward apply");
    }
    inOrder(
      journal,
      "m3 forward apply",
      "m2 join-credentials-for-m1 apply",
      "m3 join-credentials-for-m1 apply",
      "m1 m1-bootstrap apply",
      "m1 join-credentials-for-m2 apply",
      "m2 m2-bootstrap apply",
    );
    inOrder(
      journal,
      "m3 m3-bootstrap apply",
      "m1 kubeconfig apply",
      "PATCH configmaps/haproxy-backends",
      "PATCH daemonsets/control-plane-lb",
    );
    assert.deepEqual(bench.api.names(), DAEMONSET_OBJECTS);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
      m3: "10.0.0.13:6443",
    });
    const controlPlaneNodes =
      bench.api.annotations("haproxy-backends")["control-plane-lb/control-plane-nodes"];
    assert.equal(controlPlaneNodes, '["m1","m2","m3"]');
  });

  it("keeps no secret in plain", () => {
    const stored = engine.storedText();
    const ofSsh = bench.userKey.private.split("\n")[2] ?? "";
    const ofAdmin = Buffer.from(certificates().clientKey).toString("base64").slice(60, 120);
    for (const text of [ofSsh, ofAdmin]) {
      assert.ok(text.length > 20);
      assert.ok(!stored.includes(text), text);
    }
  });

  it("changes nothing in a second up, nor after a refresh", async () => {
    assert.deepEqual(Object.keys((await engine.up()).summary), ["same"]);
    assert.deepEqual(changesOf((await engine.up({ refresh: true })).steps), []);
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("leaves a key alone that another manager has added", async () => {
    bench.api.patchData("haproxy-backends", { m4: "10.0.0.14:6443" });
    await engine.up({ refresh: true });
    assert.equal(bench.api.configMap("haproxy-backends")?.["m4"], "10.0.0.14:6443");
  });

  it("joins a new control-plane node without replacing anything", async () => {
    await bench.addHost("m4");
    engine.setConfig(bench.config());
    const { steps } = await engine.up();
    assert.deepEqual(
      changesOf(steps).filter((line) => !/^(create|update) /.test(line)),
      [],
    );
    assert.deepEqual(
      changesOf(steps).filter((line) => line.startsWith("create ")),
      [
        "create backends-key-m4",
        "create m1-join-credentials-from/m4",
        "create m4-bootstrap",
        "create m4-clean-up",
        "create m4-forward",
        "create m4-join-credentials-from/m1",
        "create m4-preflight",
        "create m4-reachability",
      ],
    );
    const journal = bench.takeJournal();
    inOrder(journal, "m4 m4 apply", "m4 forward apply", "m4 m4-bootstrap apply");
    inOrder(journal, "m4 m4-bootstrap apply", "m1 m1-reachability apply");
    assert.ok(!journal.includes("PATCH daemonsets/control-plane-lb"), journal.join("\n"));
  });

  it("asks the other control-plane nodes again for an init node that is another machine", async () => {
    await bench.reprovision("m1");
    engine.setConfig(bench.config());
    await engine.up();
    const journal = bench.takeJournal();
    for (const other of ["m2", "m3", "m4"]) {
      inOrder(journal, `${other} join-credentials-for-m1 apply`, "m1 m1-bootstrap apply");
    }
  });

  it("removes a control-plane node in order: list and key, the node, its forward", async () => {
    const nodes = [bench.node("m1", 11), bench.node("m2", 12), bench.node("m4", 14)];
    engine.setConfig(bench.config(nodes));
    await engine.up();
    const journal = bench.takeJournal();
    const removed = journal.indexOf("m3 m3-bootstrap remove");
    const patches = journal.flatMap((line, index) =>
      line === "PATCH configmaps/haproxy-backends" ? [index] : [],
    );
    // the list, then the key
    assert.equal(patches.length, 2, journal.join("\n"));
    for (const patch of patches) assert.ok(patch < removed, journal.join("\n"));
    inOrder(journal, "m3 m3-bootstrap remove", "m3 forward remove");
    assert.equal(bench.api.configMap("haproxy-backends")?.["m3"], undefined);
    const controlPlaneNodes =
      bench.api.annotations("haproxy-backends")["control-plane-lb/control-plane-nodes"];
    assert.equal(controlPlaneNodes, '["m1","m2","m4"]');
    assert.deepEqual(
      journal.filter((line) => line.endsWith(" remove")),
      ["m3 m3-bootstrap remove", "m3 forward remove", "m3 clean-up remove"],
    );
  });

  it("is destroyed without a dead host that is marked as lost", async () => {
    await bench.stopHost("m2");
    const nodes = [
      bench.node("m1", 11),
      bench.node("m2", 12, { lost: true }),
      bench.node("m4", 14),
    ];
    engine.setConfig(bench.config(nodes));
    await engine.up();
    const keys = Object.keys(bench.api.configMap("haproxy-backends") ?? {});
    assert.deepEqual(keys.sort(), ["m1", "m4"]);
    bench.takeJournal();

    await engine.destroy();
    const journal = bench.takeJournal();
    assert.deepEqual(bench.api.names(), []);
    inOrder(
      journal,
      "DELETE daemonsets/control-plane-lb",
      "DELETE configmaps/haproxy-backends",
      "m4 m4-bootstrap remove",
      "m1 m1-bootstrap remove",
      "m1 forward remove",
    );
    assert.ok(!journal.some((line) => line.startsWith("m2 ")), journal.join("\n"));
  });
});

describe("on the real engine, a cluster that exists", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  before(async () => {
    bench = await Bench.start("m1", "m2");
    engine = await bench.engine(bench.existing());
  });
  after(() => bench?.stop());

  it("gets forwards and HAProxy, and no kubeadm", async () => {
    await engine.up();
    const journal = bench.takeJournal();
    assert.deepEqual(journal.filter((line) => /^m\d /.test(line)).sort(), [
      "m1 forward apply",
      "m1 m1 apply",
      "m1 m1-reachability apply",
      "m2 forward apply",
      "m2 m2 apply",
      "m2 m2-reachability apply",
    ]);
    inOrder(
      journal,
      "m2 forward apply",
      "m1 m1-reachability apply",
      "PATCH daemonsets/control-plane-lb",
    );
    assert.deepEqual(bench.api.names(), DAEMONSET_OBJECTS);
  });

  it("shows a changed backend as an update of its key, and of the checks that other hosts make", async () => {
    const nodes = [bench.node("m1", 11), bench.node("m2", 22)];
    engine.setConfig(bench.existing(nodes));
    const expected = ["update backends-key-m2", ...checks, "update topology"];
    assert.deepEqual(changesOf((await engine.preview()).steps), expected);
    assert.deepEqual(changesOf((await engine.up()).steps), expected);
    assert.deepEqual(bench.takeJournal().sort(), [
      "PATCH configmaps/haproxy-backends",
      ...["m1 m1 apply", "m1 m1-reachability apply", "m2 m2 apply"],
    ]);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.22:6443",
    });
  });

  it("replaces nothing for another kubeconfig", async () => {
    const kubeconfig = { value: bench.api.kubeconfig("operator"), secret: true };
    engine.setConfig({
      ...bench.existing([bench.node("m1", 11), bench.node("m2", 22)]),
      kubeconfig,
    });
    assert.deepEqual(changesOf((await engine.up()).steps), ["update cluster"]);
  });

  it("is left as it was on destroy", async () => {
    bench.takeJournal();
    await engine.destroy();
    assert.deepEqual(bench.api.names(), []);
    assert.deepEqual(
      bench
        .takeJournal()
        .filter((line) => /^m\d /.test(line))
        .sort(),
      ["m1 clean-up remove", "m1 forward remove", "m2 clean-up remove", "m2 forward remove"],
    );
  });
});

describe("on the real engine, the variants of the DaemonSet", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;

  const MOUNTED = { daemonset: { value: { variant: "mounted" } } };
  const WITHOUT_RIGHTS = ["configmaps/haproxy-backends", "daemonsets/control-plane-lb"];
  const nodes = (last: number) => [bench.node("m1", 11), bench.node("m2", last)];
  const keys = () => Object.keys(bench.api.configMap("haproxy-backends") ?? {});

  before(async () => {
    bench = await Bench.start("m1", "m2");
    engine = await bench.engine({ ...bench.existing(nodes(12)), ...MOUNTED });
  });
  after(() => bench?.stop());

  it("mounted: creates the ConfigMap and the DaemonSet, and no object with rights", async () => {
    await engine.up();
    assert.deepEqual(bench.api.names(), WITHOUT_RIGHTS);
    assert.deepEqual(keys(), ["haproxy.cfg"]);
    assert.deepEqual(Object.keys((await engine.up()).summary), ["same"]);
    bench.takeJournal();
  });

  it("mounted: a changed backend is an update of the ConfigMap, and of the checks that other hosts make", async () => {
    engine.setConfig({ ...bench.existing(nodes(22)), ...MOUNTED });
    const expected = ["update backends-haproxy.cfg", ...checks, "update topology"];
    assert.deepEqual(changesOf((await engine.preview()).steps), expected);
    assert.deepEqual(changesOf((await engine.up()).steps), expected);
    assert.deepEqual(bench.takeJournal().sort(), [
      "PATCH configmaps/haproxy-backends",
      ...["m1 m1 apply", "m1 m1-reachability apply", "m2 m2 apply"],
    ]);
    const text = bench.api.configMap("haproxy-backends")?.["haproxy.cfg"] ?? "";
    assert.match(text, /server m2:10\.0\.0\.22:6443 /);
  });

  it("change to sidecar and back: the keys follow, and the DaemonSet is updated in place", async () => {
    engine.setConfig(bench.existing(nodes(22)));
    const there = changesOf((await engine.up()).steps);
    assert.ok(there.includes("update haproxy-daemon-set"), there.join("\n"));
    assert.deepEqual(bench.api.names(), DAEMONSET_OBJECTS);
    assert.deepEqual(keys().sort(), ["m1", "m2"]);
    engine.setConfig({ ...bench.existing(nodes(22)), ...MOUNTED });
    const back = changesOf((await engine.up()).steps);
    assert.ok(back.includes("update haproxy-daemon-set"), back.join("\n"));
    assert.deepEqual(bench.api.names(), WITHOUT_RIGHTS);
    assert.deepEqual(keys(), ["haproxy.cfg"]);
    await engine.destroy();
    assert.deepEqual(bench.api.names(), []);
  });
});
