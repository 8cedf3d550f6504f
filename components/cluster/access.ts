import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BACKENDS_CONFIG_MAP, NAMESPACE, POD_LABELS, WORKLOAD } from "../../names";
import { componentType } from "../types";

/** What the updater may do in the cluster. */
export interface AccessArgs {
  /**
   * Make a long-lived token with this number in its name: for HAProxy outside of the cluster. Another number makes a new token.
   * Default: none, pods have an expiring one
   */
  readonly tokenGeneration?: number;
}

/** ServiceAccount, Role and RoleBinding of the updater: it reads the backends and writes Events, no more. */
export class Access extends pulumi.ComponentResource {
  /** The rights of ServiceAccount WORKLOAD: what uses it comes after this. */
  readonly rights: pulumi.Resource;
  /** SECRET. Absent without `tokenGeneration`. */
  readonly token?: pulumi.Output<string>;

  constructor(name: string, args: AccessArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("Access"), name, {}, options);
    const metadata = { name: WORKLOAD, namespace: NAMESPACE, labels: POD_LABELS };
    const account = new kubernetes.core.v1.ServiceAccount(
      `${name}-service-account`,
      { metadata, automountServiceAccountToken: false },
      { parent: this },
    );
    const role = new kubernetes.rbac.v1.Role(
      `${name}-role`,
      { metadata, rules: RULES },
      { parent: this },
    );
    this.rights = new kubernetes.rbac.v1.RoleBinding(
      `${name}-role-binding`,
      {
        metadata,
        subjects: [{ kind: "ServiceAccount", name: WORKLOAD, namespace: NAMESPACE }],
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: WORKLOAD },
      },
      { parent: this, dependsOn: [account, role] },
    );
    if (args.tokenGeneration !== undefined) this.token = this.makeToken(name, args.tokenGeneration);
    this.registerOutputs({ token: this.token });
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
      { parent: this, dependsOn: [this.rights] },
    );
    return pulumi.secret(
      secret.data.apply((data) => Buffer.from(data["token"] ?? "", "base64").toString("utf8")),
    );
  }
}

/** `list` and `watch` of one named object: only with the field selector metadata.name, which the updater uses. */
const RULES = [
  {
    apiGroups: [""],
    resources: ["configmaps"],
    resourceNames: [BACKENDS_CONFIG_MAP],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
];
