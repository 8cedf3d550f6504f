import assert from "node:assert/strict";
import { InitFailed, type Provider } from "../../pulumi-test-utils/src/plugins/protocol/provider";
import { kubernetesProvider } from "../../pulumi-test-utils/src/plugins/kubernetes/provider";
import {
  isSecretValue,
  plain,
  secretValue,
  UNKNOWN,
  type Properties,
} from "../../pulumi-test-utils/src/wire";
import { kubeconfigFor, startApiServer, type ApiServer } from "./support/api-server";
import { call, testHost } from "./support/provider-host";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const PATCH = "kubernetes:core/v1:ConfigMapPatch";
const SECRET = "kubernetes:core/v1:Secret";
const DAEMON_SET = "kubernetes:apps/v1:DaemonSet";
const ONE = "/api/v1/namespaces/default/configmaps/one";

const configMap = (data: Properties, metadata: Properties = {}): Properties => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "one", namespace: "default", ...metadata },
  data,
});

describe("kubernetes provider of the stand-in", () => {
  let api: ApiServer;
  let host: ReturnType<typeof testHost>;
  let provider: Provider;

  beforeEach(async () => {
    api = await startApiServer();
    host = testHost();
    provider = await configured({});
  });

  afterEach(() => api.close());

  async function configured(
    options: Record<string, string>,
    kubeconfig = api.kubeconfig,
  ): Promise<Provider> {
    const made = kubernetesProvider(host);
    const entries = Object.entries({ kubeconfig, ...options });
    await made.configure(
      Object.fromEntries(entries.map(([key, value]) => [`kubernetes:config:${key}`, value])),
    );
    return made;
  }

  const check = async (type: string, news: Properties, olds: Properties = {}) => {
    const { inputs } = await provider.check({
      ...call(type, "thing"),
      olds,
      news,
      randomSeed: Buffer.from("seed"),
    });
    return inputs;
  };

  const create = (type: string, properties: Properties, preview = false) =>
    provider.create({ ...call(type, "thing", { preview }), properties });

  const update = (type: string, olds: Properties, news: Properties, ignore: string[] = []) =>
    provider.update({
      ...call(type, "thing"),
      id: "default/one",
      olds,
      oldInputs: plain(olds["__inputs"]) as Properties,
      news,
      ignoreChanges: ignore,
    });

  const diff = (type: string, olds: Properties, news: Properties) =>
    provider.diff({
      ...call(type, "thing"),
      id: "default/one",
      olds,
      oldInputs: {},
      news,
      ignoreChanges: [],
    });

  describe("check", () => {
    it("generates a name that stays and puts namespaced kinds into the default namespace", async () => {
      const made = (await check(CONFIG_MAP, { apiVersion: "v1", kind: "ConfigMap" })) as {
        metadata: { name: string; namespace: string };
      };
      assert.match(made.metadata.name, /^thing-[0-9a-f]{8}$/);
      assert.equal(made.metadata.namespace, "default");
      const bare = { apiVersion: "v1", kind: "ConfigMap", data: { a: "b" } };
      const again = (await check(CONFIG_MAP, bare, made)) as typeof made;
      assert.deepEqual(again.metadata, made.metadata);
    });

    it("asks the API server about kinds that are not built in", async () => {
      const thing = { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "one" } };
      assert.deepEqual(await check("kubernetes:example.com/v1:Thing", thing), thing);
    });

    it("turns the texts of a Secret into data, always secret", async () => {
      const secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "one" },
        stringData: { key: "text" },
      };
      const { data, stringData } = await check(SECRET, secret);
      assert.ok(isSecretValue(data));
      assert.deepEqual(plain(data), { key: "dGV4dA==" });
      assert.equal(stringData, undefined);
    });

    it("keeps secret and unknown inputs", async () => {
      const given = configMap({ a: secretValue("hidden"), b: UNKNOWN });
      assert.deepEqual(await check(CONFIG_MAP, given), given);
    });

    it("requires the name of the patched object", async () => {
      const nameless = check(PATCH, { apiVersion: "v1", kind: "ConfigMap" });
      await assert.rejects(nameless, /patch resources require the `.metadata.name`/);
    });
  });

  describe("create", () => {
    it("posts, and keeps inputs, live object and manager in the state", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b" }));
      assert.equal(made.id, "default/one");
      assert.deepEqual(made.properties["__inputs"], configMap({ a: "b" }));
      assert.match(String(made.properties["__fieldManager"]), /^pulumi-kubernetes-[0-9a-f]{8}$/);
      assert.equal((made.properties["metadata"] as Properties)["uid"], "u1");
      assert.deepEqual(
        api.changes.map(({ method, query }) => [method, query.get("fieldManager")]),
        [["POST", "pulumi-kubernetes"]],
      );
    });

    it("adopts an existing object only with upsertExistingObjects", async () => {
      await create(CONFIG_MAP, configMap({ a: "b" }));
      await assert.rejects(
        create(CONFIG_MAP, configMap({ a: "b" })),
        /was not successfully created by the Kubernetes API server: "one" already exists/,
      );
      provider = await configured({ upsertExistingObjects: "true" });
      const adopted = await create(CONFIG_MAP, configMap({ a: "b" }));
      assert.equal(adopted.id, "default/one");
    });

    it("writes nothing in a preview and returns the inputs if the API server cannot be asked", async () => {
      const tried = await create(CONFIG_MAP, configMap({ a: "b" }), true);
      assert.equal(tried.id, "");
      assert.equal((tried.properties["metadata"] as Properties)["uid"], "u1");
      const unknown = configMap({ a: UNKNOWN });
      assert.deepEqual((await create(CONFIG_MAP, unknown, true)).properties, unknown);
      const noNamespace = configMap({}, { namespace: "missing" });
      assert.deepEqual((await create(CONFIG_MAP, noNamespace, true)).properties, noNamespace);
      assert.equal(api.objects.size, 0);
    });

    it("keeps the state of an object that does not become ready", async () => {
      const daemonSet = {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "one", namespace: "default" },
        spec: {},
      };
      const at = call(DAEMON_SET, "thing", { timeoutSeconds: 1 });
      await assert.rejects(provider.create({ ...at, properties: daemonSet }), (error: unknown) => {
        assert.ok(error instanceof InitFailed);
        assert.match(error.message, /failed to fully initialize or become live: timed out/);
        assert.equal(error.id, "default/one");
        assert.deepEqual(error.properties["__inputs"], daemonSet);
        return true;
      });
    });

    it("waits until a DaemonSet is rolled out", async () => {
      const daemonSet = {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "one", namespace: "default" },
      };
      api.afterChange = (path) => {
        const counts = { currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3 };
        const status = { observedGeneration: 1, desiredNumberScheduled: 3, ...counts };
        const object = api.objects.get(path) ?? {};
        api.objects.set(path, { ...object, status });
        setTimeout(() => {
          api.objects.set(path, { ...object, status: { ...status, numberAvailable: 3 } });
        }, 100);
      };
      const made = await create(DAEMON_SET, daemonSet);
      assert.equal((made.properties["status"] as Properties)["numberAvailable"], 3);
      assert.deepEqual(host.lines, ["Available: 0/3"]);
    });

    it("waits for the condition of the annotation waitFor instead, if there is one", async () => {
      const daemonSet = (name: string) => ({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: {
          name,
          namespace: "default",
          annotations: { "pulumi.com/waitFor": "jsonpath={.metadata.name}=one" },
        },
      });
      await create(DAEMON_SET, daemonSet("one"));
      const at = call(DAEMON_SET, "thing", { timeoutSeconds: 1 });
      const created = provider.create({ ...at, properties: daemonSet("two") });
      await assert.rejects(created, /timed out/);
      assert.deepEqual(host.lines, ["Waiting for {.metadata.name}=one"]);
    });

    it("waits for the token of a token Secret, and marks it secret", async () => {
      const secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "one", namespace: "default" },
        type: "kubernetes.io/service-account-token",
      };
      api.afterChange = (path) => {
        const object = api.objects.get(path) ?? {};
        setTimeout(() => api.objects.set(path, { ...object, data: { token: "dG9rZW4=" } }), 100);
      };
      const { properties } = await create(SECRET, secret);
      assert.ok(isSecretValue(properties["data"]));
      assert.deepEqual(plain(properties["data"]), { token: "dG9rZW4=" });
    });
  });

  describe("diff", () => {
    it("ignores fields that others added to the object", async () => {
      const { properties } = await create(CONFIG_MAP, configMap({ a: "b" }));
      const live = { ...properties, data: { a: "b", theirs: "c" } };
      assert.deepEqual((await diff(CONFIG_MAP, live, configMap({ a: "b" }))).changes, {});
    });

    it("compares with the last live state", async () => {
      const { properties } = await create(CONFIG_MAP, configMap({ a: "b" }));
      const drifted = { ...properties, data: { a: "drifted" } };
      const { changes } = await diff(CONFIG_MAP, drifted, configMap({ a: "b" }));
      assert.deepEqual(Object.keys(changes), ["data.a"]);
    });

    it("replaces a ConfigMap for its data, unless ConfigMaps are mutable", async () => {
      const { properties } = await create(CONFIG_MAP, configMap({ a: "b" }));
      const replaced = await diff(CONFIG_MAP, properties, configMap({ a: "c" }));
      assert.equal(replaced.changes["data.a"]?.replace, true);
      assert.equal(replaced.deleteBeforeReplace, true);
      provider = await configured({ enableConfigMapMutable: "true" });
      const updated = await diff(CONFIG_MAP, properties, configMap({ a: "c", d: "e" }));
      assert.deepEqual(updated.changes, {
        "data.a": { kind: "update", replace: false, inputDiff: false },
        "data.d": { kind: "add", replace: false, inputDiff: false },
      });
      assert.equal(updated.deleteBeforeReplace, false);
    });

    it("replaces for another name or namespace, and a RoleBinding for another role", async () => {
      const { properties } = await create(CONFIG_MAP, configMap({}));
      const moved = await diff(CONFIG_MAP, properties, configMap({}, { namespace: "other" }));
      assert.equal(moved.changes["metadata.namespace"]?.replace, true);
      assert.equal(moved.deleteBeforeReplace, false);
      const binding = (role: string) => ({
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: "one", namespace: "default" },
        roleRef: { kind: "Role", name: role },
      });
      const type = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding";
      const made = await create(type, binding("a"));
      const { changes } = await diff(type, made.properties, binding("b"));
      assert.equal(changes["roleRef.name"]?.replace, true);
    });

    it("compares quantities by value", async () => {
      const pod = (cpu: string) => ({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "one", annotations: { "pulumi.com/skipAwait": "true" } },
        spec: { containers: [{ resources: { requests: { cpu } } }] },
      });
      const { properties } = await create(DAEMON_SET, pod("500m"));
      assert.deepEqual((await diff(DAEMON_SET, properties, pod("0.5"))).changes, {});
    });
  });

  describe("update", () => {
    it("takes its own fields over and applies, so that a key can be removed", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b", gone: "x" }));
      const state = await update(CONFIG_MAP, made.properties, configMap({ a: "c" }));
      assert.deepEqual(api.objects.get(ONE)?.["data"], { a: "c" });
      assert.equal(state["__fieldManager"], made.properties["__fieldManager"]);
      assert.deepEqual(
        api.changes.map(({ method }) => method),
        ["POST", "PATCH", "PATCH"],
      );
    });

    it("leaves ignored fields to their owners", async () => {
      const made = await create(CONFIG_MAP, configMap({}));
      const patch = { ...configMap({ m1: "x" }), metadata: { name: "one", namespace: "default" } };
      await create(PATCH, patch);
      const metadata = {
        name: "one",
        namespace: "default",
        annotations: { "control-plane-nodes": "[]" },
      };
      const news = { apiVersion: "v1", kind: "ConfigMap", metadata };
      await update(CONFIG_MAP, made.properties, news, ["data"]);
      assert.deepEqual(api.objects.get(ONE)?.["data"], { m1: "x" });
      assert.equal(api.objects.get(ONE)?.metadata?.annotations?.["control-plane-nodes"], "[]");
    });

    it("keeps no state of an update that is cancelled while it waits", async () => {
      const cancelling = new AbortController();
      host = testHost(cancelling.signal);
      provider = await configured({ upsertExistingObjects: "true" });
      const daemonSet = (image: string) => ({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "one", namespace: "default" },
        spec: { image },
      });
      api.afterChange = (path) => {
        const object = api.objects.get(path) ?? {};
        const counts = { currentNumberScheduled: 0, updatedNumberScheduled: 0, numberReady: 0 };
        const status = { observedGeneration: 1, desiredNumberScheduled: 0, ...counts };
        api.objects.set(path, { ...object, status });
      };
      const first = await create(DAEMON_SET, daemonSet("a"));
      api.afterChange = () => cancelling.abort();
      const olds = { olds: first.properties, oldInputs: daemonSet("a"), news: daemonSet("b") };
      const at = { ...call(DAEMON_SET, "thing"), id: first.id, ignoreChanges: [], ...olds };
      await assert.rejects(provider.update(at), (error: unknown) => !(error instanceof InitFailed));
      const [live] = api.objects.values();
      assert.deepEqual(live?.spec, { image: "b" });
    });

    it("fails with the conflict when another manager owns a field", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b" }));
      const patchForce = { annotations: { "pulumi.com/patchForce": "true" } };
      await create(PATCH, configMap({ a: "theirs" }, patchForce));
      await assert.rejects(
        update(CONFIG_MAP, made.properties, configMap({ a: "ours" })),
        /server-side apply field conflict detected[^]*had an apply conflict: Apply failed/,
      );
    });

    it("fails for an object that is gone", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b" }));
      api.objects.clear();
      await assert.rejects(update(CONFIG_MAP, made.properties, configMap({ a: "c" })), /not found/);
    });
  });

  describe("patch resources", () => {
    const patch = (key: string, value: string) =>
      configMap({ [key]: value }, { annotations: { "pulumi.com/patchForce": "true" } });

    it("own single keys, each by its own manager, and give them back", async () => {
      await create(CONFIG_MAP, configMap({ base: "b" }));
      const first = await create(PATCH, patch("m1", "1"));
      const second = await create(PATCH, patch("m2", "2"));
      assert.notEqual(first.properties["__fieldManager"], second.properties["__fieldManager"]);
      await update(PATCH, first.properties, patch("m1", "changed"));
      assert.deepEqual(api.objects.get(ONE)?.["data"], { base: "b", m1: "changed", m2: "2" });
      const { properties } = second;
      await provider.delete({
        ...call(PATCH, "thing"),
        id: second.id,
        properties,
        timeoutSeconds: 0,
      });
      assert.deepEqual(api.objects.get(ONE)?.["data"], { base: "b", m1: "changed" });
    });

    it("never replace for another value", async () => {
      await create(CONFIG_MAP, configMap({}));
      const { properties } = await create(PATCH, patch("m1", "1"));
      const { changes } = await diff(PATCH, properties, patch("m1", "2"));
      assert.deepEqual(changes, {
        "data.m1": { kind: "update", replace: false, inputDiff: false },
      });
    });
  });

  describe("read and delete", () => {
    const remove = (properties: Properties) =>
      provider.delete({
        ...call(CONFIG_MAP, "thing"),
        id: "default/one",
        properties,
        timeoutSeconds: 0,
      });

    it("reads the properties of the inputs and reports a missing object", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b" }));
      const object = api.objects.get(ONE);
      api.objects.set(ONE, { ...object, data: { a: "drift", theirs: "x" } });
      const at = {
        ...call(CONFIG_MAP, "thing"),
        id: made.id,
        properties: made.properties,
        inputs: configMap({ a: "b" }),
      };
      const found = await provider.read(at);
      assert.deepEqual(found.inputs["data"], { a: "drift" });
      assert.deepEqual(found.properties["data"], { a: "drift", theirs: "x" });
      api.objects.clear();
      assert.equal((await provider.read(at)).id, "");
    });

    it("deletes in the foreground, waits until the object is gone, and accepts an absent one", async () => {
      const made = await create(CONFIG_MAP, configMap({ a: "b" }));
      await remove(made.properties);
      const { method, body } = api.changes.at(-1) ?? {};
      assert.deepEqual([method, body], ["DELETE", { propagationPolicy: "Foreground" }]);
      await remove(made.properties);
    });
  });

  describe("with a cluster that does not answer", () => {
    it("previews with the inputs, and fails at up with the reason", async () => {
      provider = await configured({}, kubeconfigFor("http://127.0.0.1:1"));
      const inputs = configMap({ a: "b" });
      assert.deepEqual((await create(CONFIG_MAP, inputs, true)).properties, inputs);
      await assert.rejects(
        create(CONFIG_MAP, inputs),
        /configured Kubernetes cluster is unreachable: unable to load schema .*connection refused/,
      );
    });

    it("counts a refused login as unreachable, without showing the token", async () => {
      const { kubeconfig } = api;
      const wrong = kubeconfig.replace(/"token":"[^"]*"/, '"token":"wrong-token"');
      provider = await configured({}, wrong);
      await assert.rejects(create(CONFIG_MAP, configMap({})), (error: Error) => {
        assert.match(error.message, /unreachable: .*Unauthorized/);
        return !error.message.includes("wrong-token");
      });
    });

    it("drops objects from the state only with deleteUnreachable", async () => {
      const { properties } = await create(CONFIG_MAP, configMap({ a: "b" }));
      const gone = kubeconfigFor("http://127.0.0.1:1");
      const at = { ...call(CONFIG_MAP, "thing"), id: "default/one", properties };
      provider = await configured({}, gone);
      await assert.rejects(provider.delete({ ...at, timeoutSeconds: 0 }), /unreachable/);
      provider = await configured({ deleteUnreachable: "true" }, gone);
      await provider.delete({ ...at, timeoutSeconds: 0 });
      assert.equal((await provider.read({ ...at, inputs: configMap({ a: "b" }) })).id, "");
    });
  });

  describe("a changed configuration of the provider", () => {
    const diffConfig = (olds: Properties, news: Properties) => {
      const result = provider.diffConfig?.(olds, news);
      return result?.replaces ?? [];
    };
    const a = secretValue(kubeconfigFor("https://a:6443", "one"));

    it("replaces everything for another cluster, and updates for other credentials", () => {
      const otherUser = secretValue(kubeconfigFor("https://a:6443", "two"));
      const otherCluster = secretValue(kubeconfigFor("https://b:6443", "one"));
      assert.deepEqual(diffConfig({ kubeconfig: a }, { kubeconfig: otherUser }), []);
      assert.deepEqual(diffConfig({ kubeconfig: a }, { kubeconfig: otherCluster }), ["kubeconfig"]);
      assert.deepEqual(diffConfig({ kubeconfig: a }, { kubeconfig: UNKNOWN }), ["kubeconfig"]);
    });

    it("never replaces while the cluster's identifier stays", () => {
      const old = { kubeconfig: a, clusterIdentifier: "x" };
      assert.deepEqual(diffConfig(old, { kubeconfig: UNKNOWN, clusterIdentifier: "x" }), []);
      assert.deepEqual(diffConfig(old, { kubeconfig: a, clusterIdentifier: "y" }), [
        "clusterIdentifier",
      ]);
    });
  });
});
