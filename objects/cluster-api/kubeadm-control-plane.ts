import {
  mergeKubeadmConfigSpec,
  type CommandPlace,
  type KubeadmConfigAddition,
  type KubeadmConfigSpec,
} from "../../host/user-data/merge-kubeadm-config-spec";
import type { Manifest } from "../manifest";
import { metadataOf, type ApiVersion, type ClusterName } from "./names";

type Fields = Readonly<Record<string, unknown>>;

/** A KubeadmControlPlane without its spec. */
export function kubeadmControlPlane(cluster: ClusterName, apiVersion: ApiVersion, name: string) {
  return {
    apiVersion: `controlplane.cluster.x-k8s.io/${apiVersion}`,
    kind: "KubeadmControlPlane",
    metadata: metadataOf(name, cluster),
  } satisfies Manifest;
}

/** Our part of a control plane. */
export interface ControlPlaneAddition {
  readonly addition: KubeadmConfigAddition;
  readonly place: CommandPlace;
  /** Further names and addresses of the endpoint, for the API servers' certificates. */
  readonly certSANs: readonly string[];
}

/**
 * The user's spec of a KubeadmControlPlane (replicas, version, machineTemplate and so on) with our
 * part of its kubeadmConfigSpec.
 *
 * @throws Error when the two contradict each other: see `mergeKubeadmConfigSpec`
 */
export function controlPlaneSpec(
  users: Fields,
  { addition, place, certSANs }: ControlPlaneAddition,
): Fields {
  const merged = mergeKubeadmConfigSpec(fieldsAt(users, "kubeadmConfigSpec"), addition, place);
  return { ...users, kubeadmConfigSpec: withCertSANs(merged, certSANs) };
}

/** kubeadm itself adds the endpoint's host. */
function withCertSANs(spec: KubeadmConfigSpec, certSANs: readonly string[]): KubeadmConfigSpec {
  const configuration = fieldsAt(spec, "clusterConfiguration");
  const apiServer = fieldsAt(configuration, "apiServer");
  const users = (apiServer["certSANs"] ?? []) as readonly string[];
  const missing = certSANs.filter((name) => !users.includes(name));
  if (missing.length === 0) return spec;
  return {
    ...spec,
    clusterConfiguration: {
      ...configuration,
      apiServer: { ...apiServer, certSANs: [...users, ...missing] },
    },
  };
}

function fieldsAt(value: Fields, key: string): Fields {
  return (value[key] ?? {}) as Fields;
}
