import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { controlPlaneSpec } from "../../../../objects/cluster-api/kubeadm-control-plane";
import {
  managementManifests,
  type ManagementPlan,
} from "../../../../objects/cluster-api/management-objects";
import { caData, resourcesData, userDataData } from "../../../../objects/cluster-api/secrets";
import type { Manifest } from "../../../../objects/manifest";

const plan: ManagementPlan = {
  cluster: { name: "blue", namespace: "metal" },
  apiVersion: "v1beta2",
  selector: { "cluster.x-k8s.io/cluster-name": "blue" },
  groups: ["backends", "objects"],
  loadBalancers: ["lb1"],
};

const contents = {
  ca: caData({ caCert: "CERT", caKey: "KEY" }),
  userData: { lb1: userDataData("#cloud-config\n") },
  resources: { backends: resourcesData([]), objects: resourcesData([]) },
};

const manifests = (changes: Partial<ManagementPlan> = {}) =>
  managementManifests({ ...plan, ...changes }, contents);
const named = (name: string): Manifest => {
  const found = manifests().find(({ metadata }) => metadata.name === name);
  assert.ok(found, name);
  return found;
};
const decoded = (secret: Manifest) =>
  Object.fromEntries(
    Object.entries(secret["data"] as Record<string, string>).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString(),
    ]),
  );

describe("the objects of a Cluster in a management cluster", () => {
  it("belong to the Cluster by namespace and label", () => {
    for (const { metadata } of manifests()) {
      assert.equal(metadata.namespace, "metal");
      assert.deepEqual(metadata.labels, { "cluster.x-k8s.io/cluster-name": "blue" });
    }
  });

  it("hold the CA as Cluster API takes one in place of its own", () => {
    const secret = named("blue-ca");
    assert.equal(secret["type"], "cluster.x-k8s.io/secret");
    assert.deepEqual(decoded(secret), { "tls.crt": "CERT", "tls.key": "KEY" });
  });

  it("hold user data as Metal3's BareMetalHost takes it", () => {
    const secret = named("lb1-user-data");
    assert.equal(secret["type"], "Opaque");
    assert.deepEqual(decoded(secret), { userData: "#cloud-config\n" });
  });

  it("hold manifests as a ClusterResourceSet takes them, and applies again when they change", () => {
    const set = named("blue-control-plane-lb");
    assert.equal(set.apiVersion, "addons.cluster.x-k8s.io/v1beta2");
    assert.deepEqual(set["spec"], {
      strategy: "Reconcile",
      clusterSelector: { matchLabels: plan.selector },
      resources: [
        { kind: "Secret", name: "blue-control-plane-lb-backends" },
        { kind: "Secret", name: "blue-control-plane-lb-objects" },
      ],
    });
    for (const group of plan.groups) {
      assert.equal(
        named(`blue-control-plane-lb-${group}`)["type"],
        "addons.cluster.x-k8s.io/resource-set",
      );
    }
  });

  it("have v1beta1 on request", () => {
    const [set] = manifests({ apiVersion: "v1beta1" }).filter(
      ({ kind }) => kind === "ClusterResourceSet",
    );
    assert.equal(set?.apiVersion, "addons.cluster.x-k8s.io/v1beta1");
  });
});

describe("the spec of a KubeadmControlPlane", () => {
  const nothing = { files: [], preKubeadmCommands: [], postKubeadmCommands: [] };
  const merged = (users: object, certSANs: string[] = []) =>
    controlPlaneSpec(users as Record<string, unknown>, {
      addition: nothing,
      place: "after",
      certSANs,
    });

  it("is the user's own beside our files and commands", () => {
    const users = { replicas: 3, version: "v1.35.4", kubeadmConfigSpec: { verbosity: 2 } };
    assert.deepEqual(merged(users), users);
  });

  it("gets the addresses of the endpoint into the certificates, beside the user's", () => {
    const apiServer = { certSANs: ["mine"], extraArgs: [{ name: "v", value: "2" }] };
    const users = { kubeadmConfigSpec: { clusterConfiguration: { apiServer } } };
    assert.deepEqual(merged(users, ["10.0.0.9", "mine"]), {
      kubeadmConfigSpec: {
        clusterConfiguration: { apiServer: { ...apiServer, certSANs: ["mine", "10.0.0.9"] } },
      },
    });
  });
});
