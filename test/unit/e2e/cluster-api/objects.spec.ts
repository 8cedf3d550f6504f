import assert from "node:assert/strict";
import {
  clusterObjects,
  controlPlaneSpec,
  labKubeadm,
  machineTemplate,
} from "../../../../e2e/cluster-api/objects";
import { readDevConfig } from "../../../../e2e/scenario/lab-stack";

describe("a lab's cluster of Cluster API", () => {
  it("has the endpoint of the load-balancer host, and references by group, kind and name", () => {
    const [cluster, labCluster] = clusterObjects({ host: "10.77.1.21", port: 6444 });
    assert.equal(cluster?.path, "/apis/cluster.x-k8s.io/v1beta2/namespaces/default/clusters/lab");
    const { spec } = cluster.manifest as { spec: Record<string, unknown> };
    assert.deepEqual(spec["controlPlaneEndpoint"], { host: "10.77.1.21", port: 6444 });
    assert.deepEqual(spec["infrastructureRef"], {
      apiGroup: "infrastructure.control-plane-lb.example",
      kind: "LabCluster",
      name: "lab",
    });
    assert.match(labCluster?.path ?? "", /\/v1alpha1\/namespaces\/default\/labclusters\/lab$/);
    assert.match(machineTemplate("second").path, /\/labmachinetemplates\/second$/);
  });

  it("brings the lab's settings of kubeadm as a user's own files, commands and templates", () => {
    const spec = controlPlaneSpec(labKubeadm(readDevConfig()), "first") as {
      kubeadmConfigSpec: {
        initConfiguration: { skipPhases: string[]; patches: { directory: string } };
        joinConfiguration: object;
        files: { path: string; content: string }[];
      };
    };
    const { initConfiguration, joinConfiguration, files } = spec.kubeadmConfigSpec;
    assert.ok(initConfiguration.skipPhases.includes("addon/kube-proxy"));
    for (const configuration of [initConfiguration, joinConfiguration]) {
      assert.match(
        JSON.stringify(configuration),
        /"lab:\/\/\{\{ ds\.meta_data\.local_hostname \}\}"/,
      );
    }
    const [patch] = files;
    assert.equal(
      patch?.path,
      `${initConfiguration.patches.directory}/kubeletconfiguration+merge.json`,
    );
    assert.equal((JSON.parse(patch.content) as { cgroupDriver: string }).cgroupDriver, "cgroupfs");
  });
});
