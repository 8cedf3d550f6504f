/** Names that Cluster API gives: labels, types and groups. */

/** Label of what belongs to a Cluster; its value is the Cluster's name. */
export const CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name";

/** Versions of Cluster API's own kinds. */
export const API_VERSIONS = ["v1beta2", "v1beta1"] as const;
export type ApiVersion = (typeof API_VERSIONS)[number];

/** A Cluster in a management cluster. */
export interface ClusterName {
  readonly name: string;
  readonly namespace: string;
}

/** Metadata of an object that belongs to a Cluster. */
export function metadataOf(name: string, cluster: ClusterName) {
  return {
    name,
    namespace: cluster.namespace,
    labels: { [CLUSTER_NAME_LABEL]: cluster.name },
  };
}
