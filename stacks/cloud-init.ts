import * as pulumi from "@pulumi/pulumi";
import { Access } from "../components/cluster/access";
import { backendKey, markInUse } from "../components/cluster/backends";
import { LoadBalancerAccess } from "../components/cluster/load-balancer-access";
import { stackName } from "../components/stack-name";
import { caOfKubeconfig } from "../host/kubeadm/kubeconfig";
import { bundleUpdater } from "../updater/bundle";
import { withKnownManagers } from "./backends-pieces";
import { keepClusterSecrets, type ClusterSecrets } from "./cluster-secrets";
import { loadBalance } from "./daemonset";
import { clusterOf } from "./external";
import { keepIdentity } from "./keep-identity";
import { endpointUrl, outputsOf, type StackOutputs } from "./shared";
import { hasDedicatedHosts, type Settings } from "./settings";
import { userDataOf } from "./user-data";

/** What a stack gives out whose machines make the cluster from their user data. */
export interface CloudInitOutputs extends Partial<StackOutputs> {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** By the name of the machine. SECRET */
  readonly userData: pulumi.Output<Readonly<Record<string, string>>>;
}

/**
 * User data for every machine: from it alone the machines become a cluster with HAProxy. No machine
 * is logged in to. Once the stack has the cluster's kubeconfig, it has the objects in the cluster as
 * well, and the user data of control-plane nodes only joins.
 */
export function cloudInitStack(settings: Settings): CloudInitOutputs {
  const kept = keepIdentity(settings, []);
  const secrets = keepClusterSecrets({ dependsOn: [kept] });
  const stack = stackName();
  const updaterScript = bundleUpdater();
  const userData = secrets.apply((known) =>
    userDataOf({ stack, settings, secrets: known, updaterScript }),
  );
  const outputs = {
    endpoint: endpointUrl(settings),
    userData: pulumi.secret(userData),
  };
  if (settings.kubeconfig === undefined) return outputs;
  const kubeconfig = ofThisCluster(settings.kubeconfig, secrets);
  manageObjects(kubeconfig, secrets, [kept], settings);
  return { ...outputsOf(settings, kubeconfig), ...outputs };
}

/** The kubeconfig, once it is clear that it is of the cluster of this user data. SECRET */
function ofThisCluster(
  kubeconfig: string,
  secrets: pulumi.Output<ClusterSecrets>,
): pulumi.Output<string> {
  return pulumi.secret(
    secrets.apply(({ caCert }) => {
      const given = caOfKubeconfig(kubeconfig);
      // a bundle while the CA is rotated
      if (given?.includes(caCert.trim()) !== true) {
        throw new pulumi.RunError(
          "kubeconfig: its certificate authority is not that of this stack's user data, so it is of another cluster; nothing was changed. Take /etc/kubernetes/admin.conf of a control-plane node that this user data has made",
        );
      }
      return kubeconfig;
    }),
  );
}

/** The objects that the init node has made, from now on as resources of the stack. */
function manageObjects(
  kubeconfig: pulumi.Output<string>,
  secrets: pulumi.Output<ClusterSecrets>,
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
): void {
  const { discovery, ports, token } = settings;
  const managed = { transformations: [withKnownManagers(stackName())] };
  const nodes = settings.nodes
    .filter(({ lost }) => !lost)
    .map(({ name, address }) => ({ name, address, dependsOn }));
  if (settings.topology === "daemonset") {
    loadBalance(nodes, [], kubeconfig, settings, managed);
    return;
  }
  const { backends, inCluster } = clusterOf(kubeconfig, dependsOn, settings, managed);
  const dedicated = hasDedicatedHosts(settings);
  const own = dedicated ? {} : { tokenGeneration: token.generation };
  const access = { discovery, ...own, dependsOn: [backends.configMap] };
  const { rights } = new Access("access", access, inCluster);
  if (dedicated) {
    const known = secrets.apply(({ loadBalancerToken }) => loadBalancerToken);
    const hosts = { discovery, token: known, dependsOn: rights };
    new LoadBalancerAccess("load-balancers", hosts, inCluster);
  }
  for (const node of nodes) backendKey(backends, node, ports.api);
  markInUse(backends, []);
}
