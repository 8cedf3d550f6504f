import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { KubeadmClusterArgs } from "../components/ssh/kubeadm-cluster";
import type { ClusterConnection } from "../components/cluster/cluster-api";
import { Host } from "../components/ssh/host";
import { isIP } from "node:net";
import { canonicalAddress, hostPort } from "../haproxy/address";
import { formatBackend } from "../haproxy/model";
import type { ForwardSettings } from "../host/forward/forward-settings";
import type { KubeadmSettings } from "../host/kubeadm/kubeadm-settings";
import type { UpdaterServiceSettings } from "../host/service/updater-part";
import type { ExistingCluster, PreflightEndpoint } from "../host/preflight/preflight-settings";
import { NAMESPACE, PRODUCT } from "../names";
import type { UpdaterChoices } from "../updater/settings";
import { caOfKubeconfig, expiryOfKubeconfig } from "../host/kubeadm/kubeconfig";
import { connectionOf } from "./cluster-connection";
import { loadBalancersOf, sshOf, type NodeSettings, type Settings } from "./settings";

/** The control-plane endpoint, and how to use the cluster behind it. */
export interface StackOutputs {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** SECRET */
  readonly kubeconfig: pulumi.Output<string>;
  /** When its client certificate expires, in ISO 8601; undefined: it has none. */
  readonly kubeconfigExpires: pulumi.Output<string | undefined>;
}

/** URL of the control-plane endpoint. */
export function endpointUrl({ endpoint: { host, port } }: Settings): string {
  return `https://${hostPort(host, port)}`;
}

/** The outputs of both topologies. */
export function outputsOf(settings: Settings, kubeconfig: pulumi.Output<string>): StackOutputs {
  const expires = kubeconfig.apply((text) => expiryOfKubeconfig(text)?.toISOString());
  return {
    endpoint: endpointUrl(settings),
    kubeconfig,
    // a date is no secret
    kubeconfigExpires: pulumi.unsecret(expires),
  };
}

/**
 * Settings of HAProxy and its updater that both topologies share; a flat setting of the updater
 * passes through.
 */
export function haproxySettings(settings: Settings): UpdaterChoices {
  const { endpoint, ports, allow, haproxy, discovery, updater } = settings;
  const { maxConnections, maxConnectionsPerSource, timeouts, checks } = haproxy;
  return {
    ...updater,
    haproxy: {
      port: ports.lb,
      healthPort: ports.health,
      allow,
      ...(endpoint.addresses.length > 0 ? { virtualAddresses: endpoint.addresses } : {}),
      maxConnections,
      maxConnectionsPerSource,
      timeouts,
      checks,
    },
    apiPort: ports.api,
    discovery,
  };
}

/** One Host per machine; a warning names those that are off for repair. */
export function hostsOf(nodes: readonly NodeSettings[]): Host[] {
  return nodes.map((node) => {
    const { name, address, generation, lost, away } = node;
    if (away) void pulumi.log.warn(`${name} is away: nothing runs there until the key away goes`);
    return new Host(name, { address, target: sshOf(node), generation, lost, away });
  });
}

/**
 * The configured API servers, `ADDRESS:PORT` by name. HAProxy starts with them; those that do not
 * exist yet are down.
 */
export function configuredBackends({ nodes, ports, clusterApi }: Settings): Record<string, string> {
  const possible = (clusterApi?.controlPlaneAddresses ?? []).map((address, index) => ({
    name: `possible-${index + 1}`,
    address,
  }));
  return Object.fromEntries(
    [...nodes.filter(({ lost }) => !lost), ...possible].map(({ name, address }) => [
      name,
      formatBackend({ address, port: ports.api }),
    ]),
  );
}

/**
 * The existing cluster, for the preflight. Empty with bootstrap kubeadm, or when the kubeconfig
 * holds no CA.
 */
export function existingOf(settings: Settings): { existing?: ExistingCluster } {
  const { kubeconfig, endpoint } = settings;
  const caCert = kubeconfig === undefined ? undefined : caOfKubeconfig(kubeconfig);
  if (caCert === undefined) return {};
  const backends = configuredBackends(settings);
  return { existing: { endpointHost: endpoint.host, caCert, backends } };
}

/** The endpoint, and every address on which HAProxy listens for it. */
export function endpointOf(settings: Settings): PreflightEndpoint {
  const { host, addresses } = settings.endpoint;
  return {
    host,
    addresses: [...loadBalancersOf(settings).map(({ address }) => address), ...addresses],
  };
}

/** What kubeadm makes of the hosts. */
export function kubeadmArgs(settings: Settings, hosts: readonly Host[]): KubeadmClusterArgs {
  return {
    hosts,
    settings: kubeadmSettings(settings),
    resetOnDestroy: settings.kubeadm.resetOnDestroy,
    drainSeconds: settings.updater.drainSeconds,
  };
}

/** The cluster as kubeadm makes it. */
export function kubeadmSettings(settings: Settings): KubeadmSettings {
  const { kubernetesVersion, certSANs, ignorePreflightErrors, skipPhases, fragments } =
    settings.kubeadm;
  return {
    ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
    ...{ certSANs, ignorePreflightErrors, skipPhases, fragments },
    ...(settings.clusterName === undefined ? {} : { clusterName: settings.clusterName }),
    endpoint: settings.endpoint,
    apiPort: settings.ports.api,
  };
}

/** The forward of every control-plane node. */
export function forwardOf({
  endpoint,
  ports,
  forward,
  ownAddress,
  allow,
}: Settings): ForwardSettings {
  return {
    kind: forward.kind,
    lbPort: ports.lb,
    apiPort: ports.api,
    healthPort: ports.health,
    ownAddress,
    // a name must lead to these or to the own address
    endpointAddresses: [endpoint.host, ...endpoint.addresses]
      .filter((address) => isIP(address) !== 0)
      .map(canonicalAddress),
    allow,
  };
}

/** The updater as a service of every load-balancer host. */
export function updaterServiceOf(
  settings: Settings,
  script: string,
): Omit<UpdaterServiceSettings, "caCert"> {
  const backends = configuredBackends(settings);
  return {
    ownAddress: settings.ownAddress,
    script,
    backends,
    // Cluster API names control-plane nodes: each begins with itself
    ...(Object.keys(backends).length === 0 ? { ownBackend: true } : {}),
    ...haproxySettings(settings),
    token: settings.token.delivery,
  };
}

/** The provider for the cluster; no object changes before `dependsOn`. */
export function clusterProvider(
  kubeconfig: pulumi.Output<string>,
  dependsOn: readonly pulumi.Resource[],
): kubernetes.Provider {
  return new kubernetes.Provider(
    "cluster",
    {
      kubeconfig,
      namespace: NAMESPACE,
      // an unknown or another kubeconfig must not replace every object in the cluster
      clusterIdentifier: `${PRODUCT}-${pulumi.getStack()}`,
      // otherwise a change of one value replaces the object
      enableConfigMapMutable: true,
      enableSecretMutable: true,
      // adopts objects of an interrupted run, which the state does not know
      upsertExistingObjects: true,
    },
    { dependsOn: [...dependsOn] },
  );
}

/**
 * How the program itself asks the cluster. Undefined when the given kubeconfig holds no credentials
 * that it can use, such as a command.
 */
export function clusterConnection(
  { kubeconfig: given }: Pick<Settings, "kubeconfig">,
  kubeconfig: pulumi.Output<string>,
): pulumi.Output<ClusterConnection | undefined> | undefined {
  if (given !== undefined && connectionOf(given) === undefined) return undefined;
  return kubeconfig.apply(connectionOf);
}
