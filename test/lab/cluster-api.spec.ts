import assert from "node:assert/strict";
import { clusterObjects, controlPlaneSpec, labKubeadm } from "../../e2e/cluster-api/objects";
import { readDevConfig } from "../../e2e/scenario/lab-stack";
import { Lab, ManagementCluster, type Api } from "../../lab/src/index";
import { waitUntil } from "../../tools/src/index";

const LAB = "cluster-api-test";

/** mocha's report stays readable. */
const quiet = () => undefined;

const GROUP = "controlplane.cluster.x-k8s.io";

const controlPlanePath = (version: string, name: string) =>
  `/apis/${GROUP}/${version}/namespaces/default/kubeadmcontrolplanes/${name}`;

describe("a lab's management cluster", function () {
  this.timeout(10 * 60_000);
  let lab: Lab;
  let management: ManagementCluster;
  let api: Api;

  before(async () => {
    await Lab.remove(LAB, quiet);
    lab = await Lab.up({ name: LAB, machines: 0, log: quiet });
    management = await ManagementCluster.start(lab, quiet);
    api = management.api();
  });

  after(async () => {
    api?.close();
    await Lab.remove(LAB, quiet);
  });

  const createControlPlane = (name: string, changes: object = {}) =>
    api.apply(controlPlanePath("v1beta2", name), {
      apiVersion: `${GROUP}/v1beta2`,
      kind: "KubeadmControlPlane",
      metadata: { name, namespace: "default" },
      spec: { ...controlPlaneSpec(labKubeadm(readDevConfig()), "first"), ...changes },
    });

  it("sets defaults, refuses wrong objects and converts versions by Cluster API's webhooks", async () => {
    await createControlPlane("defaults");
    const { spec } = await api.get<{ spec: { rollout?: object } }>(
      controlPlanePath("v1beta2", "defaults"),
    );
    assert.match(JSON.stringify(spec.rollout), /RollingUpdate/);
    await assert.rejects(
      createControlPlane("even", { replicas: 2 }),
      /cannot be an even number when etcd is stacked/,
    );
    const old = await api.get<{ spec: { machineTemplate: object } }>(
      controlPlanePath("v1beta1", "defaults"),
    );
    assert.match(JSON.stringify(old.spec.machineTemplate), /"infrastructureRef":\{"apiVersion"/);
  });

  it("has a cluster's infrastructure reported by the lab infrastructure provider", async () => {
    const [cluster, labCluster] = clusterObjects({ host: `10.77.${lab.index}.21`, port: 6444 });
    assert.ok(cluster !== undefined && labCluster !== undefined);
    await api.apply(labCluster.path, labCluster.manifest);
    await api.apply(cluster.path, cluster.manifest);
    const provisioned = async () => {
      const { status } = await api.get<{
        status?: { initialization?: { infrastructureProvisioned?: boolean } };
      }>(cluster.path);
      return status?.initialization?.infrastructureProvisioned;
    };
    const lastSeen = () =>
      `${management.lastLines("core")}\n${management.lastLines("infrastructure")}`;
    await waitUntil("the Cluster's infrastructure", { seconds: 60, lastSeen }, provisioned);
  });
});
