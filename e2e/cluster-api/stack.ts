import { readFileSync } from "node:fs";
import { NestedSecret } from "../../pulumi-test-utils/src/index";
import type { Api, ManagementCluster } from "../../lab/src/index";
import type { ClusterOverrides } from "../scenario/lab-stack";
import { CLUSTER, CONTROL_PLANE, NAMESPACE } from "./objects";

/** What the stack of a managed cluster is configured with. */
export interface ManagedOptions {
  /** The load-balancer host, which is the endpoint. */
  readonly host: { readonly name: string; readonly address: string };
  /** Addresses that control-plane nodes can have. */
  readonly pool: { readonly first: string; readonly last: string };
  readonly management: ManagementCluster;
  /** The user's spec of the KubeadmControlPlane. */
  readonly spec: object;
}

/** The configuration of a stack that gives Cluster API its control plane. */
export function managedConfig({ host, pool, management, spec }: ManagedOptions): ClusterOverrides {
  return {
    bootstrap: "clusterApi",
    topology: "external",
    discovery: "endpoints",
    ssh: undefined,
    // what a lab needs of kubeadm is in the user's spec
    kubeadm: undefined,
    nodes: undefined,
    endpoint: { host: host.address },
    loadBalancers: { [host.name]: { address: host.address } },
    clusterApi: {
      kubeconfig: new NestedSecret(readFileSync(management.kubeconfigFile, "utf8")),
      namespace: NAMESPACE,
      name: CLUSTER,
      kubeadmControlPlane: { name: CONTROL_PLANE, spec },
      controlPlaneAddresses: [`${pool.first}-${pool.last}`],
    },
  };
}

/** User data of a load-balancer host, from the Secret by which Metal3 would give it to the host. */
export async function readHostUserData(api: Api, host: string): Promise<string> {
  const path = `/api/v1/namespaces/${NAMESPACE}/secrets/${host}-user-data`;
  const { data } = await api.get<{ readonly data: Readonly<Record<string, string>> }>(path);
  const encoded = data["userData"];
  if (encoded === undefined) throw new Error(`${path} has no key userData`);
  return Buffer.from(encoded, "base64").toString("utf8");
}
