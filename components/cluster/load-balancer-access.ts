import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { loadBalancerBindings, loadBalancerToken } from "../../objects/bootstrap-token";
import { NAMESPACE } from "../../names";
import type { DiscoveryMode } from "../../updater/settings";
import { componentType } from "../types";

/** The rights of dedicated load-balancer hosts that are made from user data. */
export interface LoadBalancerAccessArgs {
  readonly discovery: DiscoveryMode;
  /** SECRET. Their bootstrap token. */
  readonly token: pulumi.Output<string>;
  /** The updater's Roles come before. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * The bootstrap token of dedicated load-balancer hosts, and the updater's rights for its group. While
 * the Secret exists, the token is valid.
 */
export class LoadBalancerAccess extends pulumi.ComponentResource {
  constructor(
    name: string,
    { discovery, token, dependsOn }: LoadBalancerAccessArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("LoadBalancerAccess"), name, {}, options);
    const secret = token.apply(loadBalancerToken);
    new kubernetes.core.v1.Secret(
      `${name}-token`,
      { metadata: secret.metadata, type: secret.type, data: pulumi.secret(secret.data) },
      { parent: this, dependsOn: [...dependsOn] },
    );
    for (const binding of loadBalancerBindings(discovery)) {
      const suffix = binding.metadata.namespace === NAMESPACE ? "" : "-slice";
      new kubernetes.rbac.v1.RoleBinding(`${name}${suffix}-role-binding`, binding, {
        parent: this,
        dependsOn: [...dependsOn],
      });
    }
    this.registerOutputs({});
  }
}
