/** The updater's rights in the cluster: it reads the backends and writes Events, no more. */
import { API_SERVERS_SLICE, BACKENDS_CONFIG_MAP, NAMESPACE, POD_LABELS, WORKLOAD } from "../names";
import type { DiscoveryMode } from "../updater/settings";
import type { Manifest } from "./manifest";

/** A rule of a Role. */
export interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly resourceNames?: string[];
  readonly verbs: string[];
}

/** The rules in one namespace. */
export interface Grant {
  readonly namespace: string;
  readonly rules: Rule[];
}

/**
 * `list` and `watch` of one named object: only with the field selector metadata.name, which the
 * updater uses.
 */
const READ = ["get", "list", "watch"];

const CONFIG_MAP: Rule = {
  apiGroups: [""],
  resources: ["configmaps"],
  resourceNames: [BACKENDS_CONFIG_MAP],
  verbs: READ,
};

const SLICE: Rule = {
  apiGroups: ["discovery.k8s.io"],
  resources: ["endpointslices"],
  resourceNames: [API_SERVERS_SLICE.name],
  verbs: READ,
};

const EVENTS: Rule = { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] };

/** What an updater with this discovery needs: one grant per namespace, NAMESPACE first. */
export function grantsFor(discovery: DiscoveryMode): Grant[] {
  return [
    { namespace: NAMESPACE, rules: discovery === "endpoints" ? [EVENTS] : [CONFIG_MAP, EVENTS] },
    ...(discovery === "configMap"
      ? []
      : [{ namespace: API_SERVERS_SLICE.namespace, rules: [SLICE] }]),
  ];
}

const RBAC = "rbac.authorization.k8s.io";

/** ServiceAccount of the updater; nothing gets its token without asking. */
export function serviceAccount() {
  return {
    apiVersion: "v1" as const,
    kind: "ServiceAccount" as const,
    metadata: metadataIn(NAMESPACE),
    automountServiceAccountToken: false,
  } satisfies Manifest;
}

/** Role with a grant's rules. */
export function role({ namespace, rules }: Grant) {
  return {
    apiVersion: `${RBAC}/v1` as const,
    kind: "Role" as const,
    metadata: metadataIn(namespace),
    rules: [...rules],
  } satisfies Manifest;
}

/** Who gets a grant: the updater's ServiceAccount, or a group of users. */
export interface Subject {
  readonly kind: "ServiceAccount" | "Group";
  readonly name: string;
  readonly namespace?: string;
  readonly apiGroup?: string;
}

const ACCOUNT: Subject = { kind: "ServiceAccount", name: WORKLOAD, namespace: NAMESPACE };

/**
 * RoleBinding of a grant's Role.
 * @param subject who gets it. @default the updater's ServiceAccount
 */
export function roleBinding({ namespace }: Grant, subject = ACCOUNT, name: string = WORKLOAD) {
  return {
    apiVersion: `${RBAC}/v1` as const,
    kind: "RoleBinding" as const,
    metadata: { ...metadataIn(namespace), name },
    subjects: [subject],
    roleRef: { apiGroup: RBAC, kind: "Role", name: WORKLOAD },
  } satisfies Manifest;
}

/** Name of the long-lived token's Secret. */
export function tokenSecretName(generation: number): string {
  return `${WORKLOAD}-token-${generation}`;
}

/**
 * Secret that the cluster fills with a long-lived token of the updater's ServiceAccount, for HAProxy
 * outside of the cluster.
 * @param generation another number makes another token
 */
export function tokenSecret(generation: number) {
  return {
    apiVersion: "v1" as const,
    kind: "Secret" as const,
    metadata: {
      name: tokenSecretName(generation),
      namespace: NAMESPACE,
      labels: POD_LABELS,
      annotations: { "kubernetes.io/service-account.name": WORKLOAD },
    },
    type: "kubernetes.io/service-account-token",
  } satisfies Manifest;
}

function metadataIn(namespace: string) {
  return { name: WORKLOAD, namespace, labels: POD_LABELS };
}

/** The group's subject in a RoleBinding. */
export function groupSubject(name: string): Subject {
  return { kind: "Group", name, apiGroup: RBAC };
}
