import assert from "node:assert/strict";
import * as command from "@pulumi/command";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Engine } from "../../pulumi-test-utils/src/index";
import { startApiServer, type ApiServer } from "./support/api-server";
import { PROJECT_FILE } from "./support/program";
import { waitUntil } from "../../tools/src/index";
import { keyPair } from "../support/key-pair";
import { startSshServer, type SshServer } from "../support/ssh-server";

const BACKENDS = "/api/v1/namespaces/kube-system/configmaps/backends";

describe("stand-ins under the real engine", function () {
  this.timeout(300_000);
  const key = keyPair();
  let host: SshServer;
  let api: ApiServer;
  let engine: Engine;
  let backends: Record<string, string>;

  /** A host that hands out the kubeconfig, and objects in the cluster that it belongs to. */
  function program(): Promise<Record<string, unknown>> {
    const connection = {
      host: "127.0.0.1",
      port: host.port,
      user: "ops",
      privateKey: pulumi.secret(key.private),
      hostKey: host.hostKey,
    };
    const bootstrap = new command.remote.Command(
      "bootstrap",
      {
        connection,
        create: "cat",
        update: "cat",
        delete: "true",
        stdin: pulumi.secret(api.kubeconfig),
        logging: "none",
        addPreviousOutputInEnv: false,
      },
      { additionalSecretOutputs: ["stdout"] },
    );
    const provider = new kubernetes.Provider("cluster", {
      kubeconfig: bootstrap.stdout,
      clusterIdentifier: "test",
      enableConfigMapMutable: true,
      namespace: "kube-system",
    });
    const map = new kubernetes.core.v1.ConfigMap(
      "backends",
      { metadata: { name: "backends" } },
      { provider, ignoreChanges: ["data"] },
    );
    for (const [name, address] of Object.entries(backends)) {
      const annotations = { "pulumi.com/patchForce": "true" };
      new kubernetes.core.v1.ConfigMapPatch(
        `backend-${name}`,
        { metadata: { name: "backends", annotations }, data: { [name]: address } },
        { provider, dependsOn: [map] },
      );
    }
    const secret = new kubernetes.core.v1.Secret(
      "secret",
      { metadata: { name: "secret" }, stringData: { key: "text-of-the-secret" } },
      { provider },
    );
    return Promise.resolve({ name: secret.metadata.name, kubeconfig: bootstrap.stdout });
  }

  before(async () => {
    host = await startSshServer({ publicKey: key.public });
    api = await startApiServer();
    backends = { m1: "10.0.0.1:6443", m2: "10.0.0.2:6443" };
    engine = await Engine.create({
      program,
      projectFile: PROJECT_FILE,
      stack: "test",
      config: { plain: "", hidden: { value: "unused", secret: true } },
      plugins: "stand-in",
    });
  });

  after(async () => {
    await engine?.dispose();
    await api?.close();
    await host?.close();
  });

  it("previews a missing cluster as creates only and changes nothing", async () => {
    const { summary } = await engine.preview();
    assert.deepEqual(summary, { create: 7 });
    assert.deepEqual(host.commands, []);
    assert.deepEqual(api.changes, []);
  });

  it("creates everything in the first up and nothing in the second", async () => {
    const { outputs } = await engine.up();
    assert.equal(outputs["kubeconfig"]?.secret, true);
    assert.deepEqual(api.objects.get(BACKENDS)?.["data"], backends);
    assert.deepEqual((await engine.up()).summary, { same: 7 });
    assert.deepEqual(host.commands, ["cat"]);
  });

  it("stores no secret in plain text", () => {
    const stored = engine.storedText();
    const secrets = [
      ...key.private.split("\n").filter((line) => line.length > 30 && !line.includes("-----")),
      "token-of-the-test",
      "text-of-the-secret",
      Buffer.from("text-of-the-secret").toString("base64"),
    ];
    for (const secret of secrets)
      assert.ok(!stored.includes(secret), "a secret is stored in plain text");
    assert.ok(stored.includes("backend-m1"));
  });

  it("changes one backend in place and keeps keys that others patched in", async () => {
    const object = api.objects.get(BACKENDS) ?? {};
    const data = { ...(object["data"] as object), m4: "10.0.0.4:6443" };
    api.objects.set(BACKENDS, { ...object, data });
    backends = { m1: "10.0.0.9:6443", m2: "10.0.0.2:6443" };
    const { steps } = await engine.preview();
    assert.deepEqual(
      steps.map(({ op, name, diff }) => ({ op, name, diff })),
      [{ op: "update", name: "backend-m1", diff: ["data.m1"] }],
    );
    await engine.up();
    assert.deepEqual(api.objects.get(BACKENDS)?.["data"], { ...backends, m4: "10.0.0.4:6443" });
  });

  it("sees changes from outside at a refresh", async () => {
    const object = api.objects.get(BACKENDS) ?? {};
    const data = { ...(object["data"] as object), m2: "10.0.0.7:6443" };
    api.objects.set(BACKENDS, { ...object, data });
    const refreshed = await engine.refresh();
    assert.deepEqual(
      refreshed.steps.map(({ op, name }) => ({ op, name })),
      [{ op: "update", name: "backend-m2" }],
    );
    const { summary } = await engine.up();
    assert.equal(summary["update"], 1);
  });

  it("destroys everything and leaves no process", async () => {
    await engine.destroy();
    assert.equal(api.objects.size, 0);
    assert.equal(host.commands.at(-1), "true");
    await waitUntil(
      "the end of the engine",
      { seconds: 90, everyMs: 50 },
      () => engine.processes().length === 0,
    );
  });
});
