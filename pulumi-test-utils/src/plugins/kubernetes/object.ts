import { isObject, type Properties } from "../../wire";

/** A Kubernetes object as JSON. */
export type KubernetesObject = Properties & {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: Metadata;
};

interface Metadata extends Properties {
  readonly name?: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly generation?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly ManagedFields[];
}

/** Fields that one manager owns in an object. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: "Apply" | "Update";
  readonly subresource?: string;
  readonly apiVersion?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: Properties;
  readonly time?: string;
}

const ANNOTATION_PREFIX = "pulumi.com/";

/** Value of an annotation `pulumi.com/NAME`, "" if there is none. */
export function annotation(object: KubernetesObject, name: string): string {
  const annotations = object.metadata?.annotations;
  const value = isObject(annotations) ? annotations[ANNOTATION_PREFIX + name] : undefined;
  return typeof value === "string" ? value : "";
}

export function isAnnotated(object: KubernetesObject, name: string): boolean {
  return annotation(object, name) === "true";
}

/** The object with another `metadata`; undefined removes a field. */
export function withMetadata(object: KubernetesObject, change: Properties): KubernetesObject {
  const metadata = Object.entries({ ...object.metadata, ...change }).filter(
    ([, value]) => value !== undefined,
  );
  return { ...object, metadata: Object.fromEntries(metadata) };
}

/** The object without one of its fields. */
export function without(object: KubernetesObject, field: string): KubernetesObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== field));
}

/** "namespace/name", or "name" for objects without a namespace. */
export function objectId(object: KubernetesObject): string {
  const { name = "", namespace } = object.metadata ?? {};
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** Splits an id. */
export function parseId(id: string): { namespace?: string; name: string } {
  const [first = "", second] = id.split("/");
  return second === undefined ? { name: first } : { namespace: first, name: second };
}

const CLUSTER_KINDS = new Set([
  "APIService",
  "CertificateSigningRequest",
  "ClusterRole",
  "ClusterRoleBinding",
  "CSIDriver",
  "CSINode",
  "CustomResourceDefinition",
  "FlowSchema",
  "IngressClass",
  "MutatingWebhookConfiguration",
  "Namespace",
  "Node",
  "PersistentVolume",
  "PriorityClass",
  "PriorityLevelConfiguration",
  "RuntimeClass",
  "StorageClass",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
  "VolumeAttachment",
]);

/** Whether a built-in kind is namespaced; undefined for other kinds. */
export function isNamespacedBuiltIn(apiVersion: string, kind: string): boolean | undefined {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const builtIn = !group.includes(".") || group.endsWith(".k8s.io");
  return builtIn ? !CLUSTER_KINDS.has(kind) : undefined;
}

/** True for the resource types that own single fields of an object, e.g. ConfigMapPatch. */
export function isPatchType(type: string, kind: string): boolean {
  const name = type.split(":").pop() ?? "";
  return name.endsWith("Patch") && name !== kind;
}
