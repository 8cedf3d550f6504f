import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { KubeadmClusterArgs } from "../components/ssh/kubeadm-cluster";
import { Host } from "../components/ssh/host";
import { formatBackend } from "../haproxy/model";
import type { ExistingCluster } from "../host/preflight/preflight-script";
import { NAMESPACE, PRODUCT } from "../names";
import type { UpdaterChoices } from "../updater/settings";
import { caOfKubeconfig } from "./kubeconfig";
import type { NodeSettings, Settings } from "./settings";

/** The control-plane endpoint, and how to use the cluster behind it. */
export interface StackOutputs {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** SECRET */
  readonly kubeconfig: pulumi.Output<string>;
}

/** What both topologies give. */
export function outputsOf(settings: Settings, kubeconfig: pulumi.Output<string>): StackOutputs {
  const { host, port } = settings.endpoint;
  return { endpoint: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, kubeconfig };
}

/** HAProxy and updater settings shared by both topologies. */
export function haproxySettings(settings: Settings): UpdaterChoices {
  const { ports, allow, haproxy, discovery, updater } = settings;
  return {
    ...updater,
    haproxy: {
      port: ports.lb,
      healthPort: ports.health,
      allow,
      maxConnections: haproxy.maxConnections,
      timeouts: haproxy.timeouts,
      checks: haproxy.checks,
    },
    apiPort: ports.api,
    discovery,
  };
}

/** The machines by their settings. */
export function hostsOf(nodes: readonly NodeSettings[]): Host[] {
  return nodes.map(
    ({ name, address, ssh, generation, lost }) =>
      new Host(name, { address, target: ssh, generation, lost }),
  );
}

/** The API servers of the configuration, `ADDRESS:PORT` by name: what HAProxy starts with. Those that are not there yet are down to it. */
export function configuredBackends({ nodes, ports }: Settings): Record<string, string> {
  return Object.fromEntries(
    nodes
      .filter(({ lost }) => !lost)
      .map(({ name, address }) => [name, formatBackend({ address, port: ports.api })]),
  );
}

/** The cluster that exists, for the preflight: nothing when it is to be made, or when its kubeconfig holds no CA. */
export function existingOf(settings: Settings): { existing?: ExistingCluster } {
  const { kubeconfig, endpoint } = settings;
  const caCert = kubeconfig === undefined ? undefined : caOfKubeconfig(kubeconfig);
  if (caCert === undefined) return {};
  const backends = configuredBackends(settings);
  return { existing: { endpointHost: endpoint.host, caCert, backends } };
}

/** What kubeadm makes of the hosts. */
export function kubeadmArgs(
  settings: Settings,
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): KubeadmClusterArgs {
  const { resetOnDestroy, ...kubeadm } = settings.kubeadm;
  return {
    hosts,
    settings: {
      ...kubeadm,
      ...(settings.clusterName === undefined ? {} : { clusterName: settings.clusterName }),
      endpoint: settings.endpoint,
      apiPort: settings.ports.api,
    },
    resetOnDestroy,
    drainSeconds: settings.updater.drainSeconds,
    dependsOn,
  };
}

/** The way into the cluster; nothing changes there before `dependsOn`. */
export function clusterProvider(
  kubeconfig: pulumi.Output<string>,
  dependsOn: readonly pulumi.Resource[],
): kubernetes.Provider {
  return new kubernetes.Provider(
    "cluster",
    {
      kubeconfig,
      namespace: NAMESPACE,
      // a kubeconfig that is not known yet, or another one, must not replace everything in the cluster
      clusterIdentifier: `${PRODUCT}-${pulumi.getStack()}`,
      // else a change of one value replaces the object
      enableConfigMapMutable: true,
      enableSecretMutable: true,
      // what an interrupted run has made, and no state knows of, is taken over
      upsertExistingObjects: true,
    },
    { dependsOn: [...dependsOn] },
  );
}
