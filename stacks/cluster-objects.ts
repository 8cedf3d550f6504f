import { supportsPreStopHandover } from "../host/forward/forward-settings";
import { backendsConfigMap } from "../objects/backends";
import { clusterObjects, type ClusterObjectsArgs } from "../objects/cluster-objects";
import { haproxyObjects, type DaemonSetArgs } from "../objects/daemon-set";
import type { Manifest } from "../objects/manifest";
import { bundleUpdater } from "../updater/bundle";
import { haproxySettings } from "./shared";
import { hasDedicatedHosts, type Settings } from "./settings";

/** HAProxy's pods of topology daemonset. */
export function daemonSetOf(settings: Settings): DaemonSetArgs {
  const { haproxy, updater, forward, daemonset, imagePullSecrets } = settings;
  const mounted = daemonset.variant === "mounted";
  // Cluster API names the nodes, so nobody can put them into the ConfigMap
  const own = settings.nodes.length === 0;
  return {
    settings: haproxySettings(settings),
    // without checkConfig the image has no shell
    preStopHandover: supportsPreStopHandover(forward.kind) && (mounted || updater.checkConfig),
    haproxyImage: haproxy.image,
    haproxyResources: haproxy.resources,
    ...(mounted
      ? {}
      : { updater: { ...updater, script: bundleUpdater(), ...(own ? { ownBackend: true } : {}) } }),
    imagePullSecrets,
  };
}

/**
 * All objects of a new cluster from user data but the keys of the backends, as manifests. Dedicated
 * load-balancer hosts have a bootstrap token, and need no other.
 */
export function newClusterObjects(settings: Settings, known: Required<Known>): Manifest[] {
  const { stack, loadBalancerToken } = known;
  const { discovery } = settings;
  if (hasDedicatedHosts(settings)) return clusterObjects({ stack, discovery, loadBalancerToken });
  const pods = daemonSetOf(settings);
  return settings.topology === "daemonset" && pods.updater === undefined
    ? [backendsConfigMap(stack), haproxyObjects(pods).daemonSet]
    : clusterObjects(clusterObjectsOf(settings, { stack }));
}

/** What only the program knows of the objects in a cluster. */
interface Known {
  /** As ORGANIZATION/PROJECT/STACK. */
  readonly stack: string;
  /** SECRET. The bootstrap token of dedicated load-balancer hosts from user data. */
  readonly loadBalancerToken?: string;
}

/**
 * The objects in the cluster, for those who apply them as manifests.
 * @throws Error for the variant `mounted`, whose ConfigMap holds the nodes' addresses
 */
export function clusterObjectsOf(settings: Settings, known: Known): ClusterObjectsArgs {
  const { topology, discovery, token } = settings;
  // dedicated hosts from user data have a bootstrap token instead
  const fromUserData = settings.clusterApi !== undefined && hasDedicatedHosts(settings);
  if (fromUserData) return { ...known, discovery };
  if (topology === "external") return { ...known, discovery, tokenGeneration: token.generation };
  const { updater, ...pods } = daemonSetOf(settings);
  if (updater === undefined) throw new Error("daemonset.variant mounted has no plain manifests");
  return { ...known, discovery, daemonSet: { ...pods, updater } };
}
