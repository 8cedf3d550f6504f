import { PRODUCT } from "../../names";
import type { Manifest } from "../manifest";
import { CLUSTER_NAME_LABEL, metadataOf, type ApiVersion, type ClusterName } from "./names";
import { resourcesSecret } from "./secrets";

/** The labels by which a ClusterResourceSet finds this Cluster alone. */
export function ownSelector(cluster: ClusterName): Readonly<Record<string, string>> {
  return { [CLUSTER_NAME_LABEL]: cluster.name };
}

/** A ClusterResourceSet, and its Secrets (without data) by their groups. */
export interface ResourceSet {
  readonly secrets: Readonly<Record<string, ReturnType<typeof resourcesSecret>>>;
  readonly resourceSet: Manifest;
}

/**
 * The objects of a workload cluster, as Cluster API brings them there.
 *
 * @param selector labels of the Cluster
 * @param groups a Secret each, which is applied as a whole when one text in it changes
 */
export function clusterResourceSet(
  cluster: ClusterName,
  apiVersion: ApiVersion,
  selector: Readonly<Record<string, string>>,
  groups: readonly string[],
): ResourceSet {
  const name = `${cluster.name}-${PRODUCT}`;
  const secrets = groups.map(
    (group) => [group, resourcesSecret(cluster, `${name}-${group}`)] as const,
  );
  return {
    secrets: Object.fromEntries(secrets),
    resourceSet: {
      apiVersion: `addons.cluster.x-k8s.io/${apiVersion}`,
      kind: "ClusterResourceSet",
      metadata: metadataOf(name, cluster),
      spec: {
        // applied again when a text changes, not only once
        strategy: "Reconcile",
        clusterSelector: { matchLabels: selector },
        resources: secrets.map(([, { metadata }]) => ({ kind: "Secret", name: metadata.name })),
      },
    },
  };
}
