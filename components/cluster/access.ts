import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { NAMESPACE } from "../../names";
import {
  grantsFor,
  role,
  roleBinding,
  serviceAccount,
  tokenSecret,
  type Grant,
} from "../../objects/access";
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
      serviceAccount(),
      { parent: this, dependsOn: [...(args.dependsOn ?? [])] },
    );
    this.rights = grantsFor(args.discovery).map((grant) => {
      const prefix = grant.namespace === NAMESPACE ? name : `${name}-slice`;
      return this.grant(prefix, grant, account);
    });
    if (args.tokenGeneration !== undefined) this.token = this.makeToken(name, args.tokenGeneration);
    this.registerOutputs({ token: this.token });
  }

  /** The rules in one namespace. */
  private grant(name: string, grant: Grant, account: pulumi.Resource): pulumi.Resource {
    const granted = new kubernetes.rbac.v1.Role(`${name}-role`, role(grant), {
      parent: this,
      dependsOn: [account],
    });
    return new kubernetes.rbac.v1.RoleBinding(`${name}-role-binding`, roleBinding(grant), {
      parent: this,
      dependsOn: [account, granted],
    });
  }

  private makeToken(name: string, generation: number): pulumi.Output<string> {
    const secret = new kubernetes.core.v1.Secret(
      `${name}-token-${generation}`,
      tokenSecret(generation),
      { parent: this, dependsOn: [...this.rights] },
    );
    return pulumi.secret(
      secret.data.apply((data) => Buffer.from(data["token"] ?? "", "base64").toString("utf8")),
    );
  }
}
