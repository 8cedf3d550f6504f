import type { Manifest } from "../manifest";
import { clusterResourceSet } from "./cluster-resource-set";
import { kubeadmControlPlane } from "./kubeadm-control-plane";
import type { ApiVersion, ClusterName } from "./names";
import { caSecret, userDataSecret } from "./secrets";

/** Which objects of a Cluster the management cluster gets. */
export interface ManagementPlan {
  readonly cluster: ClusterName;
  readonly apiVersion: ApiVersion;
  /** Labels by which the ClusterResourceSet finds the Cluster. */
  readonly selector: Readonly<Record<string, string>>;
  /** Names of the groups of objects for the workload cluster. */
  readonly groups: readonly string[];
  /** Names of dedicated load-balancer hosts. */
  readonly loadBalancers: readonly string[];
  /** Name of the KubeadmControlPlane. Absent: somebody else makes it. */
  readonly controlPlane?: string;
}

/** The objects, without data and spec where those come later. */
export function managementObjects(plan: ManagementPlan) {
  const { cluster, apiVersion, selector, groups, loadBalancers, controlPlane } = plan;
  return {
    ca: caSecret(cluster),
    userData: Object.fromEntries(
      loadBalancers.map((name) => [name, userDataSecret(cluster, name)]),
    ),
    ...clusterResourceSet(cluster, apiVersion, selector, groups),
    ...(controlPlane === undefined
      ? {}
      : { controlPlane: kubeadmControlPlane(cluster, apiVersion, controlPlane) }),
  };
}

/** What comes into the objects. SECRET */
export interface ManagementContents {
  readonly ca: Readonly<Record<string, string>>;
  /** By the names of the hosts. */
  readonly userData: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By the names of the groups. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * The objects as manifests, for those who apply them themselves; without the KubeadmControlPlane,
 * which is theirs then. SECRET
 */
export function managementManifests(
  plan: ManagementPlan,
  contents: ManagementContents,
): Manifest[] {
  const { ca, userData, secrets, resourceSet } = managementObjects(plan);
  return [
    { ...ca, data: contents.ca },
    ...Object.entries(userData).map(([name, secret]) => ({
      ...secret,
      data: contents.userData[name] ?? {},
    })),
    ...Object.entries(secrets).map(([group, secret]) => ({
      ...secret,
      data: contents.resources[group] ?? {},
    })),
    resourceSet,
  ];
}
