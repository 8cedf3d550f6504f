import type { KubernetesObject } from "./object";

/** Provider options that allow updates in place. */
export interface Mutability {
  readonly configMaps: boolean;
  readonly secrets: boolean;
}

const IDENTITY = ["metadata.name", "metadata.namespace"];

const BY_KIND: Readonly<Record<string, readonly string[]>> = {
  "apps/v1/DaemonSet": ["spec.selector"],
  "apps/v1/Deployment": ["spec.selector"],
  "apps/v1/StatefulSet": [
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  "batch/v1/Job": ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/v1/RoleBinding": ["roleRef"],
  "storage.k8s.io/v1/StorageClass": ["parameters", "provisioner"],
  "v1/Secret": ["type"],
  "v1/Service": ["spec.clusterIP"],
};

/** Properties that replace the object when they change. */
export function replacingProperties(object: KubernetesObject, mutable: Mutability): string[] {
  const kind = `${object.apiVersion}/${object.kind}`;
  const immutable = object.immutable === true;
  if (kind === "v1/Secret" && (!mutable.secrets || immutable)) {
    return [...IDENTITY, "type", "stringData", "data"];
  }
  if (kind === "v1/ConfigMap" && (!mutable.configMaps || immutable)) {
    return [...IDENTITY, "binaryData", "data"];
  }
  return [...IDENTITY, ...(BY_KIND[kind] ?? [])];
}

/** Patch resources own single fields: only a new identity replaces them. */
export function replacingPatchProperties(): string[] {
  return [...IDENTITY];
}
