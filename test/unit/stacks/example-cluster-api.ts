/** Of a management cluster that nobody can reach. */
const MANAGEMENT = JSON.stringify({
  clusters: [{ name: "m", cluster: { server: "https://192.0.2.1:6443" } }],
  users: [{ name: "m", user: { token: "a-management-token" } }],
  contexts: [{ name: "m", context: { cluster: "m", user: "m" } }],
  "current-context": "m",
});

/** Keys of a valid configuration with bootstrap clusterApi; `undefined` takes the example's away. */
export function clusterApiExample(
  changes: Record<string, unknown> = {},
  clusterApi: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    bootstrap: "clusterApi",
    discovery: "both",
    nodes: undefined,
    ssh: undefined,
    clusterApi: {
      kubeconfig: MANAGEMENT,
      namespace: "metal",
      name: "blue",
      kubeadmControlPlane: { spec: controlPlaneSpec() },
      ...clusterApi,
    },
    ...changes,
  };
}

/** With dedicated load-balancer hosts. */
export function dedicatedExample(clusterApi: Record<string, unknown> = {}) {
  return clusterApiExample(
    {
      topology: "external",
      loadBalancers: { lb1: { address: "10.0.0.21" }, lb2: { address: "10.0.0.22" } },
    },
    { controlPlaneAddresses: ["10.0.0.11-10.0.0.14"], ...clusterApi },
  );
}

export function controlPlaneSpec(kubeadmConfigSpec: Record<string, unknown> = {}) {
  return {
    replicas: 3,
    version: "v1.35.4",
    machineTemplate: {
      spec: {
        infrastructureRef: {
          apiGroup: "infrastructure.cluster.x-k8s.io",
          kind: "Metal3MachineTemplate",
          name: "blue",
        },
      },
    },
    kubeadmConfigSpec: {
      preKubeadmCommands: ["user's {{ ds.meta_data.local_hostname }}"],
      ...kubeadmConfigSpec,
    },
  };
}
