import type { DiscoveryMode } from "../updater/settings";
import { grantsFor, role, roleBinding, serviceAccount, tokenSecret } from "./access";
import { backendsConfigMap } from "./backends";
import { loadBalancerAccess } from "./bootstrap-token";
import { haproxyObjects, type DaemonSetArgs } from "./daemon-set";
import type { Manifest } from "./manifest";

/** What a cluster holds of the load balancer. */
export interface ClusterObjectsArgs {
  /** As ORGANIZATION/PROJECT/STACK. */
  readonly stack: string;
  readonly discovery: DiscoveryMode;
  /** Topology daemonset: HAProxy's pods. Without an updater they would need the backends' addresses. */
  readonly daemonSet?: DaemonSetArgs & Required<Pick<DaemonSetArgs, "updater">>;
  /** Topology external: the number of the updater's long-lived token. */
  readonly tokenGeneration?: number;
  /** SECRET. Dedicated load-balancer hosts from user data: their bootstrap token. */
  readonly loadBalancerToken?: string;
}

/**
 * All objects in the cluster, in the order of their creation, as plain manifests. The components of
 * `components/cluster/` make the same.
 *
 * @throws Error when loadBalancerToken is no bootstrap token, without showing it
 */
export function clusterObjects(args: ClusterObjectsArgs): Manifest[] {
  return Object.values(resourceGroups(args)).flat();
}

/**
 * The same in the groups in which a ClusterResourceSet applies them, by a name for each. When one
 * text in a group changes, it applies the whole group, and takes every field away that the group's
 * texts do not have. So what others fill in stands apart: the keys of the backends, the token.
 */
export function resourceGroups(args: ClusterObjectsArgs): Record<string, Manifest[]> {
  const { stack, discovery, daemonSet, tokenGeneration, loadBalancerToken } = args;
  return {
    backends: [backendsConfigMap(stack)],
    objects: [
      serviceAccount(),
      ...grantsFor(discovery).flatMap((grant) => [role(grant), roleBinding(grant)]),
      ...(loadBalancerToken === undefined ? [] : loadBalancerAccess(loadBalancerToken, discovery)),
      ...(daemonSet === undefined ? [] : podObjects(daemonSet)),
    ],
    ...(tokenGeneration === undefined ? {} : { token: [tokenSecret(tokenGeneration)] }),
  };
}

function podObjects(args: DaemonSetArgs): Manifest[] {
  const { updaterConfig, daemonSet } = haproxyObjects(args);
  return [...(updaterConfig === undefined ? [] : [updaterConfig]), daemonSet];
}
