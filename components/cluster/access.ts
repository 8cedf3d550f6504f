import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  API_SERVERS_SLICE,
  BACKENDS_CONFIG_MAP,
  NAMESPACE,
  POD_LABELS,
  WORKLOAD,
} from "../../names";
import type { DiscoveryMode } from "../../updater/settings";
import { componentType } from "../types";

/** The updater's rights in the cluster. */
export interface AccessArgs {
  /** Where it finds the backends: it may read that, and nothing else. */
  readonly discovery: DiscoveryMode;
  /**
   * Creates a long-lived token with this number in its name, for HAProxy outside the cluster.
   * Another number creates a new token.
   * @default no token: pods have an expiring one
   */
  readonly tokenGeneration?: number;
  /**
   * What comes before the first object.
   * @default nothing
   */
  readonly dependsOn?: readonly pulumi.Resource[];
}

/**
 * ServiceAccount, Roles and RoleBindings of the updater: it reads the backends and writes Events,
 * no more.
 */
export class Access extends pulumi.ComponentResource {
  /** The RoleBindings of ServiceAccount WORKLOAD. */
  readonly rights: readonly pulumi.Resource[];
  /** SECRET. Absent without `tokenGeneration`. */
  readonly token?: pulumi.Output<string>;

  constructor(name: string, args: AccessArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("Access"), name, {}, options);
    const account = new kubernetes.core.v1.ServiceAccount(
      `${name}-service-account`,
      { metadata: metadataIn(NAMESPACE), automountServiceAccountToken: false },
      { parent: this, dependsOn: [...(args.dependsOn ?? [])] },
    );
    const { discovery } = args;
    const rules = discovery === "endpoints" ? [EVENTS] : [CONFIG_MAP, EVENTS];
    this.rights = [
      this.grant(name, NAMESPACE, rules, account),
      ...(discovery === "configMap"
        ? []
        : [this.grant(`${name}-slice`, API_SERVERS_SLICE.namespace, [SLICE], account)]),
    ];
    if (args.tokenGeneration !== undefined) this.token = this.makeToken(name, args.tokenGeneration);
    this.registerOutputs({ token: this.token });
  }

  /** The rules in one namespace. */
  private grant(
    name: string,
    namespace: string,
    rules: readonly Rule[],
    account: pulumi.Resource,
  ): pulumi.Resource {
    const role = new kubernetes.rbac.v1.Role(
      `${name}-role`,
      { metadata: metadataIn(namespace), rules: [...rules] },
      { parent: this, dependsOn: [account] },
    );
    return new kubernetes.rbac.v1.RoleBinding(
      `${name}-role-binding`,
      {
        metadata: metadataIn(namespace),
        subjects: [{ kind: "ServiceAccount", name: WORKLOAD, namespace: NAMESPACE }],
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: WORKLOAD },
      },
      { parent: this, dependsOn: [account, role] },
    );
  }

  private makeToken(name: string, generation: number): pulumi.Output<string> {
    const secret = new kubernetes.core.v1.Secret(
      `${name}-token-${generation}`,
      {
        metadata: {
          name: `${WORKLOAD}-token-${generation}`,
          namespace: NAMESPACE,
          labels: POD_LABELS,
          annotations: { "kubernetes.io/service-account.name": WORKLOAD },
        },
        type: "kubernetes.io/service-account-token",
      },
      { parent: this, dependsOn: [...this.rights] },
    );
    return pulumi.secret(
      secret.data.apply((data) => Buffer.from(data["token"] ?? "", "base64").toString("utf8")),
    );
  }
}

type Rule = kubernetes.types.input.rbac.v1.PolicyRule;

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

function metadataIn(namespace: string): kubernetes.types.input.meta.v1.ObjectMeta {
  return { name: WORKLOAD, namespace, labels: POD_LABELS };
}
