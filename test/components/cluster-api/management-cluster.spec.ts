import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { describe, it } from "mocha";
import { ManagementCluster } from "../../../components/cluster-api/management-cluster";
import type {
  ManagementContents,
  ManagementPlan,
} from "../../../objects/cluster-api/management-objects";
import { recordResources } from "../../../pulumi-test-utils/src/index";

const SECRET = "kubernetes:core/v1:Secret";
const SET = "kubernetes:addons.cluster.x-k8s.io/v1beta2:ClusterResourceSet";
const CONTROL_PLANE = "kubernetes:controlplane.cluster.x-k8s.io/v1beta2:KubeadmControlPlane";

const plan: ManagementPlan = {
  cluster: { name: "blue", namespace: "metal" },
  apiVersion: "v1beta2",
  selector: { "cluster.x-k8s.io/cluster-name": "blue" },
  groups: ["backends", "objects"],
  loadBalancers: ["lb1"],
  controlPlane: "blue-control-plane",
};

const contents: ManagementContents = {
  ca: { "tls.crt": "QQ==", "tls.key": "Qg==" },
  userData: { lb1: { userData: "RA==" } },
  resources: { backends: { "manifests.yaml": "RQ==" }, objects: { "manifests.yaml": "Rg==" } },
};

const record = (changes: Partial<ManagementPlan> = {}, deleteOnDestroy = false) =>
  recordResources(
    () =>
      void new ManagementCluster("management", {
        plan: { ...plan, ...changes },
        contents: pulumi.output(contents),
        controlPlaneSpec: { version: "v1.35.4" },
        deleteOnDestroy,
      }),
  );

const SECRETS = ["ca", "user-data-lb1", "resources-backends", "resources-objects"];

describe("a Cluster's objects in a management cluster", () => {
  it("are all there", async () => {
    const { resources } = await record();
    assert.deepEqual(
      resources
        .filter(({ type }) => type.startsWith("kubernetes:"))
        .map(({ name }) => name)
        .sort(),
      [...SECRETS, "resource-set", "control-plane"].map((name) => `management-${name}`).sort(),
    );
  });

  it("keep their contents secret, and nothing else", async () => {
    const recording = await record();
    for (const name of SECRETS) {
      const secret = recording.find(SECRET, `management-${name}`);
      assert.deepEqual(secret.secretInputs, ["data"], name);
    }
    const others = [
      recording.find(SET, "management-resource-set"),
      recording.find(CONTROL_PLANE, "management-control-plane"),
    ];
    assert.deepEqual(
      others.map(({ secretInputs }) => secretInputs),
      [[], []],
    );
  });

  it("begin with the CA, and end with the control plane", async () => {
    const recording = await record();
    const before = (type: string, name: string) =>
      recording.dependencies(recording.find(type, `management-${name}`)).sort();
    for (const name of SECRETS.slice(1)) assert.deepEqual(before(SECRET, name), ["management-ca"]);
    assert.deepEqual(before(SET, "resource-set"), [
      "management-resources-backends",
      "management-resources-objects",
    ]);
    assert.deepEqual(before(CONTROL_PLANE, "control-plane"), ["management-resource-set"]);
  });

  it("leave the machines alone on destroy, with all that these need", async () => {
    const { resources } = await record();
    const kept = resources.filter(({ options }) => options.retainOnDelete).map(({ name }) => name);
    assert.deepEqual(
      kept.sort(),
      ["ca", "control-plane", "user-data-lb1"].map((name) => `management-${name}`),
    );
  });

  it("go on destroy when the configuration says so", async () => {
    const { resources } = await record({}, true);
    assert.ok(resources.every(({ options }) => options.retainOnDelete !== true));
  });

  it("may come without a control plane", async () => {
    const { controlPlane, ...rest } = plan;
    assert.ok(controlPlane);
    const recording = await recordResources(
      () =>
        void new ManagementCluster("management", {
          plan: rest,
          contents: pulumi.secret(contents),
          controlPlaneSpec: {},
          deleteOnDestroy: false,
        }),
    );
    assert.deepEqual(recording.all(CONTROL_PLANE), []);
  });
});
