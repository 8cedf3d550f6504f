import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Engine } from "../../pulumi-test-utils/src/index";
import { certificates } from "../support/certificates";
import { Bench } from "./support/bench";
import { changesOf, DAEMONSET_OBJECTS } from "./support/journal";

/** How an exported state marks a secret. */
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

describe("on the real engine, a stack with bootstrap cloudInit", function () {
  this.timeout(300_000);
  this.bail(true);
  let bench: Bench;
  let engine: Engine;
  let userData: Record<string, string>;

  const config = (more: Record<string, { value: string; secret?: boolean }> = {}) => ({
    endpoint: { value: bench.api.endpoint },
    nodes: { value: { m1: { address: "10.0.0.11" }, m2: { address: "10.0.0.12" } } },
    bootstrap: { value: "cloudInit" },
    ...more,
  });
  const withKubeconfig = () =>
    config({ kubeconfig: { value: bench.api.kubeconfig(), secret: true } });

  before(async () => {
    bench = await Bench.start();
    engine = await bench.engine(config());
  });
  after(() => bench?.stop());

  it("previews and comes up without any machine", async () => {
    const planned = changesOf((await engine.preview()).steps);
    assert.deepEqual(
      // the engine's own provider of Stash
      planned.filter((line) => line !== "create default"),
      ["create cluster-secrets", "create topology"],
    );
    const { outputs } = await engine.up();
    assert.equal(outputs["userData"]?.secret, true);
    userData = outputs["userData"]?.value as Record<string, string>;
    assert.deepEqual(Object.keys(userData), ["m1", "m2"]);
    for (const text of Object.values(userData)) assert.match(text, /^#cloud-config\n/);
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("gives out the same user data for good: its keys are made once", async () => {
    const { outputs, steps } = await engine.up();
    assert.deepEqual(changesOf(steps), []);
    assert.deepEqual(outputs["userData"]?.value, userData);
  });

  it("keeps keys and user data as secrets in its state", async () => {
    const [signature] = Object.keys(SECRET) as [string];
    const plain = JSON.stringify(await engine.exportState(), (_, value: unknown) =>
      typeof value === "object" && value !== null && signature in value ? "secret" : value,
    );
    assert.ok(plain.includes("cluster-secrets"));
    assert.doesNotMatch(plain, /PRIVATE KEY|CERTIFICATE|#cloud-config/);
  });

  it("refuses the kubeconfig of another cluster, in a preview too", async () => {
    engine.setConfig(withKubeconfig());
    await assert.rejects(engine.preview(), /certificate authority is not that of this stack/);
    await assert.rejects(engine.up(), /certificate authority is not that of this stack/);
    assert.deepEqual(bench.takeJournal(), []);
  });

  it("has the objects in the cluster once it knows its kubeconfig", async () => {
    const state = await engine.exportState();
    const { resources } = state.deployment as {
      resources: { urn: string; outputs: Record<string, unknown> }[];
    };
    const kept = resources.find(({ urn }) => urn.endsWith("::cluster-secrets"));
    assert.ok(kept !== undefined);
    // the fake API has a CA of its own
    const key = certificates().clientKey;
    const secrets = {
      ...Object.fromEntries(
        ["caKey", "etcdCaKey", "frontProxyCaKey", "serviceAccountKey"].map((name) => [name, key]),
      ),
      ...Object.fromEntries(
        ["etcdCaCert", "frontProxyCaCert", "serviceAccountPublicKey"].map((name) => [name, key]),
      ),
      caCert: certificates().ca,
      joinToken: "abcdef.0123456789abcdef",
      loadBalancerToken: "bbcdef.0123456789abcdef",
    };
    kept.outputs["output"] = { ...SECRET, plaintext: JSON.stringify(secrets) };
    await engine.importState(state);
    await engine.up();
    assert.deepEqual(bench.api.names(), DAEMONSET_OBJECTS);
    assert.deepEqual(bench.api.configMap("haproxy-backends"), {
      m1: "10.0.0.11:6443",
      m2: "10.0.0.12:6443",
    });
  });

  it("refuses to forget the cluster", async () => {
    engine.setConfig(config());
    await assert.rejects(engine.preview(), /kubeconfig was set, and it is not any more/);
  });
});
