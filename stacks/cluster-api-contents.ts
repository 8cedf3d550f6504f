/** What a stack of Cluster API puts into its objects. Pure. */
import { firstBoot } from "../host/user-data/first-boot";
import { kubeadmConfigSpecFragment } from "../host/user-data/kubeadm-config-spec";
import type { KubeadmConfigAddition } from "../host/user-data/merge-kubeadm-config-spec";
import { ownSelector } from "../objects/cluster-api/cluster-resource-set";
import type { ManagementContents, ManagementPlan } from "../objects/cluster-api/management-objects";
import { caData, resourcesData, userDataData } from "../objects/cluster-api/secrets";
import { resourceGroups } from "../objects/cluster-objects";
import type { Manifest } from "../objects/manifest";
import { controlPlanePlan, type ControlPlaneContext } from "./cluster-api-boot";
import { clusterObjectsOf } from "./cluster-objects";
import type { ClusterSecrets } from "./cluster-secrets";
import { hasDedicatedHosts, type ClusterApiSettings, type Settings } from "./settings";
import type { UserDataContext } from "./user-data";

type Context = Pick<UserDataContext, "stack" | "settings" | "updaterScript">;

/** Does a text of control-plane nodes hold the cluster's CA? */
export function usesCa(settings: Settings): boolean {
  return settings.topology === "external" && !hasDedicatedHosts(settings);
}

/** Which objects the management cluster gets: all of it is known without secrets. */
export function planOf(
  { settings, stack }: Context,
  { name, namespace, apiVersion, clusterSelector, kubeadmControlPlane }: ClusterApiSettings,
): ManagementPlan {
  const cluster = { name, namespace };
  return {
    cluster,
    apiVersion,
    selector: clusterSelector ?? ownSelector(cluster),
    groups: Object.keys(resourceGroups(clusterObjectsOf(settings, { stack }))),
    loadBalancers: settings.loadBalancers.map((host) => host.name),
    ...(kubeadmControlPlane === undefined
      ? {}
      : { controlPlane: kubeadmControlPlane.name ?? `${name}-control-plane` }),
  };
}

/** Files and commands of control-plane nodes; none with dedicated load-balancer hosts. */
export function fragmentOf(context: ControlPlaneContext): KubeadmConfigAddition {
  if (hasDedicatedHosts(context.settings)) {
    return { files: [], preKubeadmCommands: [], postKubeadmCommands: [] };
  }
  return kubeadmConfigSpecFragment(firstBoot(controlPlanePlan(context)));
}

/** Objects of the workload cluster in their groups. SECRET */
export function resourcesOf(context: UserDataContext): Record<string, Manifest[]> {
  const { settings, stack, secrets } = context;
  const { loadBalancerToken } = secrets;
  const known = hasDedicatedHosts(settings) ? { stack, loadBalancerToken } : { stack };
  return resourceGroups(clusterObjectsOf(settings, known));
}

/** What comes into the objects of the management cluster. SECRET */
export function contentsOf(
  secrets: Pick<ClusterSecrets, "caCert" | "caKey">,
  groups: Readonly<Record<string, readonly Manifest[]>>,
  userData: Readonly<Record<string, string>>,
): ManagementContents {
  const each = <T>(
    values: Readonly<Record<string, T>>,
    data: (value: T) => Record<string, string>,
  ) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, data(value)]));
  return {
    ca: caData(secrets),
    userData: each(userData, userDataData),
    resources: each(groups, resourcesData),
  };
}
