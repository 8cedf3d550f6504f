import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { describe, it } from "mocha";
import { parse, parseAllDocuments } from "yaml";
import { recordResources, valueOf, type Recording } from "../../../pulumi-test-utils/src/index";
import { clusterApiStack, type ClusterApiOutputs } from "../../../stacks/cluster-api";
import type { ClusterApiSettings } from "../../../stacks/settings";
import { changedObjects } from "../support/objects";
import { read } from "../../unit/stacks/example";
import {
  clusterApiExample,
  controlPlaneSpec,
  dedicatedExample,
} from "../../unit/stacks/example-cluster-api";

const SECRET = "kubernetes:core/v1:Secret";
const CONTROL_PLANE = "kubernetes:controlplane.cluster.x-k8s.io/v1beta2:KubeadmControlPlane";

const CONFIG_KEY = "control-plane-lb:clusterApi";

const kept = {
  ...{ caCert: "CA CERTIFICATE", caKey: "CA KEY" },
  loadBalancerToken: "abcdef.0123456789abcdef",
};

function record(
  changes: Record<string, unknown>,
  secretKeys: readonly string[] = [],
): Promise<Recording<ClusterApiOutputs>> {
  const settings = read(changes);
  return recordResources(
    () => clusterApiStack(settings, settings.clusterApi as ClusterApiSettings),
    {
      stack: "dev",
      project: "control-plane-lb",
      config: Object.fromEntries(secretKeys.map((key) => [key, "{}"])),
      secretKeys,
      // the secrets of the state
      outputs: (_, name) => (name === "cluster-secrets" ? { output: kept } : {}),
    },
  );
}

interface Spec {
  readonly replicas: number;
  readonly kubeadmConfigSpec: {
    readonly files?: readonly { readonly content?: string }[];
    readonly preKubeadmCommands: readonly string[];
    readonly postKubeadmCommands?: readonly string[];
  };
}

const specOf = (recording: Recording<unknown>) =>
  recording.find(CONTROL_PLANE, "management-control-plane").inputs["spec"] as Spec;
const dataOf = (recording: Recording<unknown>, name: string) =>
  Object.fromEntries(
    Object.entries(recording.find(SECRET, name).inputs["data"] as Record<string, string>).map(
      ([key, value]) => [key, Buffer.from(value, "base64").toString()],
    ),
  );
const maxConnections = (count: number) => ({ haproxy: { maxConnections: count } });

describe("a stack of Cluster API, topology daemonset", () => {
  it("has the user's control plane, with the forward before kubeadm", async () => {
    const { replicas, kubeadmConfigSpec } = specOf(await record(clusterApiExample()));
    assert.equal(replicas, 3);
    const [users, ours, ...others] = kubeadmConfigSpec.preKubeadmCommands;
    assert.equal(users, "user's {{ ds.meta_data.local_hostname }}");
    assert.match(ours ?? "", /\|\| exit 1$/);
    assert.deepEqual(others, []);
    const texts = (kubeadmConfigSpec.files ?? []).map(({ content = "" }) =>
      gunzipSync(Buffer.from(content, "base64")).toString(),
    );
    assert.ok(texts.some((text) => text.includes("forward")));
  });

  it("brings the pods into the cluster by a ClusterResourceSet", async () => {
    const yaml = dataOf(await record(clusterApiExample()), "management-resources-objects");
    const kinds = parseAllDocuments(yaml["manifests.yaml"] ?? "").map(
      (document) => (document.toJS() as { kind: string }).kind,
    );
    assert.deepEqual(kinds, [
      ...["ServiceAccount", "Role", "RoleBinding", "Role", "RoleBinding"],
      ...["ConfigMap", "DaemonSet"],
    ]);
  });

  it("lets pods begin with the API server of their own node", async () => {
    const yaml = dataOf(await record(clusterApiExample()), "management-resources-objects");
    const configMap = parseAllDocuments(yaml["manifests.yaml"] ?? "")
      .map((document) => document.toJS() as { kind: string; data: Record<string, string> })
      .find(({ kind }) => kind === "ConfigMap");
    const settings = JSON.parse(configMap?.data["settings.json"] ?? "") as { ownBackend?: boolean };
    assert.equal(settings.ownBackend, true);
  });

  it("changes the objects of the cluster alone with a limit of HAProxy: no machine is replaced", async () => {
    const [before, after] = await Promise.all([
      record(clusterApiExample()),
      record(clusterApiExample(maxConnections(50_000))),
    ]);
    assert.deepEqual(changedObjects(before, after), ["management-resources-objects"]);
  });

  it("knows the control plane in the first preview, so that the API server can check it", async () => {
    const settings = read(clusterApiExample());
    const recording = await recordResources(
      () => clusterApiStack(settings, settings.clusterApi as ClusterApiSettings),
      { preview: true },
    );
    assert.doesNotMatch(JSON.stringify(specOf(recording)), /04da6b54|UNKNOWN/);
  });

  it("comes before the user's commands when the configuration says so", async () => {
    const kubeadmControlPlane = { spec: controlPlaneSpec(), commands: "before" };
    const recording = await record(clusterApiExample({}, { kubeadmControlPlane }));
    const { preKubeadmCommands } = specOf(recording).kubeadmConfigSpec;
    assert.match(preKubeadmCommands[0] ?? "", /\|\| exit 1$/);
  });

  it("gives the Cluster the CA that the stack keeps", async () => {
    assert.deepEqual(dataOf(await record(clusterApiExample()), "management-ca"), {
      "tls.crt": kept.caCert,
      "tls.key": kept.caKey,
    });
  });

  it("changes no cluster without a kubeconfig, and gives all out", async () => {
    const recording = await record(clusterApiExample({}, { kubeconfig: undefined }));
    const types = recording.resources.map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => /kubernetes/.test(type)),
      [],
    );
    const yaml = String(await valueOf(recording.result.managementResources));
    const kinds = parseAllDocuments(yaml).map(
      (document) => (document.toJS() as { kind: string }).kind,
    );
    assert.deepEqual([...new Set(kinds)].sort(), ["ClusterResourceSet", "Secret"]);
    const fragment = await valueOf(recording.result.kubeadmConfigSpec);
    assert.equal(fragment.preKubeadmCommands.length, 1);
  });
});

describe("a stack of Cluster API, dedicated load-balancer hosts", () => {
  it("leaves the control-plane nodes to the user", async () => {
    const { kubeadmConfigSpec } = specOf(await record(dedicatedExample()));
    assert.deepEqual(kubeadmConfigSpec, controlPlaneSpec().kubeadmConfigSpec);
  });

  it("has user data for each host, in Metal3's form", async () => {
    const recording = await record(dedicatedExample());
    for (const host of ["lb1", "lb2"]) {
      const { userData = "" } = dataOf(recording, `management-user-data-${host}`);
      assert.match(userData, /^#cloud-config\n/);
      assert.equal((parse(userData) as { hostname: string }).hostname, host);
    }
  });

  it("has a bootstrap token in the cluster, and no long-lived one", async () => {
    const recording = await record(dedicatedExample());
    const yaml = dataOf(recording, "management-resources-objects")["manifests.yaml"] ?? "";
    assert.match(yaml, /name: bootstrap-token-abcdef/);
    const names = recording.resources.map(({ name }) => name);
    assert.ok(!names.includes("management-resources-token"));
  });

  it("keeps every secret out of what is not secret", async () => {
    const recording = await record(dedicatedExample());
    const hidden = [kept.caKey, kept.loadBalancerToken].flatMap((text) => [
      text,
      Buffer.from(text).toString("base64"),
    ]);
    for (const { type, name, inputs, secretInputs } of recording.resources) {
      const text = JSON.stringify(inputs);
      if (!hidden.some((each) => text.includes(each))) continue;
      assert.ok(secretInputs.length > 0, `${type} ${name}`);
    }
    for (const [name, output] of Object.entries(recording.result) as [string, unknown][]) {
      const { isSecret } = Object(output) as { isSecret?: Promise<boolean> };
      const plain = ["endpoint", "kubeadmConfigSpec"].includes(name);
      assert.equal((await isSecret) ?? false, !plain, name);
    }
  });
});

describe("a stack of Cluster API, HAProxy as a service of control-plane nodes", () => {
  it("has HAProxy before kubeadm, its token after it, and the CA in the text", async () => {
    const external = clusterApiExample({ topology: "external" });
    const { kubeadmConfigSpec } = specOf(await record(external));
    const text = (kubeadmConfigSpec.files ?? [])
      .map(({ content = "" }) => gunzipSync(Buffer.from(content, "base64")).toString())
      .join("");
    assert.match(text, /CA CERTIFICATE/);
    assert.match(text, /fetch-token/);
    assert.equal(kubeadmConfigSpec.postKubeadmCommands?.length, 1);
  });

  it("keeps the control plane secret where the configuration has a secret in clusterApi", async () => {
    const recording = await record(clusterApiExample(), [CONFIG_KEY]);
    const controlPlane = recording.find(CONTROL_PLANE, "management-control-plane");
    assert.deepEqual(controlPlane.secretInputs, ["spec"]);
  });

  it("shows the control plane in previews, with the certificate that comes from a secret", async () => {
    const recording = await record(clusterApiExample({ topology: "external" }));
    const controlPlane = recording.find(CONTROL_PLANE, "management-control-plane");
    assert.deepEqual(controlPlane.secretInputs, []);
  });
});
