/** Secrets of a management cluster: each as its object without data, and its data. */
import { base64Values, toYaml, type Manifest } from "../manifest";
import { metadataOf, type ClusterName } from "./names";

function secret(name: string, cluster: ClusterName, type: string) {
  return {
    apiVersion: "v1" as const,
    kind: "Secret" as const,
    metadata: metadataOf(name, cluster),
    type,
  } satisfies Manifest;
}

/**
 * The CA of a Cluster: Cluster API takes this one in place of a new CA. See
 * https://cluster-api.sigs.k8s.io/tasks/certs/using-custom-certificates
 */
export function caSecret(cluster: ClusterName) {
  return secret(`${cluster.name}-ca`, cluster, "cluster.x-k8s.io/secret");
}

/** A CA in PEM. SECRET */
export interface CertificateAuthority {
  readonly caCert: string;
  readonly caKey: string;
}

/** Its data. SECRET */
export function caData({ caCert, caKey }: CertificateAuthority): Record<string, string> {
  return base64Values({ "tls.crt": caCert, "tls.key": caKey });
}

/**
 * User data of a machine that is no Machine of the Cluster, as Metal3 takes it: a BareMetalHost
 * names the Secret in spec.userData.
 */
export function userDataSecret(cluster: ClusterName, machine: string) {
  return secret(`${machine}-user-data`, cluster, "Opaque");
}

/** Its data. SECRET */
export function userDataData(userData: string): Record<string, string> {
  return base64Values({ userData });
}

/** Manifests for a ClusterResourceSet. */
export function resourcesSecret(cluster: ClusterName, name: string) {
  return secret(name, cluster, "addons.cluster.x-k8s.io/resource-set");
}

/** Its data. SECRET */
export function resourcesData(manifests: readonly Manifest[]): Record<string, string> {
  return base64Values({ "manifests.yaml": toYaml(manifests) });
}
