import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { KubeadmClusterArgs } from "../components/ssh/kubeadm-cluster";
import type { ClusterConnection } from "../components/cluster/cluster-api";
import { Host } from "../components/ssh/host";
import { virtualIp } from "../components/ssh/virtual-ip";
import { stackName } from "../components/stack-name";
import { hostPort } from "../haproxy/address";
import { formatBackend } from "../haproxy/model";
import type {
  ExistingCluster,
  PreflightEndpoint,
  VirtualIpPreflight,
} from "../host/preflight/preflight-settings";
import { derivedRouterId } from "../host/virtual-ip/virtual-ip-settings";
import { NAMESPACE, PRODUCT } from "../names";
import type { UpdaterChoices } from "../updater/settings";
import { caOfKubeconfig, expiryOfKubeconfig } from "../host/kubeadm/kubeconfig";
import { connectionOf } from "./cluster-connection";
import {
  hasDedicatedHosts,
  loadBalancersOf,
  type NodeSettings,
  type Settings,
  type VirtualIpChoice,
} from "./settings";

/** The control-plane endpoint, and how to use the cluster behind it. */
export interface StackOutputs {
  /** `https://HOST:PORT` */
  readonly endpoint: string;
  /** SECRET */
  readonly kubeconfig: pulumi.Output<string>;
  /** When its client certificate expires, in ISO 8601; undefined: it has none. */
  readonly kubeconfigExpires: pulumi.Output<string | undefined>;
}

/** The outputs of both topologies. */
export function outputsOf(settings: Settings, kubeconfig: pulumi.Output<string>): StackOutputs {
  const { host, port } = settings.endpoint;
  const expires = kubeconfig.apply((text) => expiryOfKubeconfig(text)?.toISOString());
  return {
    endpoint: `https://${hostPort(host, port)}`,
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

/** What each load-balancer host checks of the virtual IP. Empty: there is none. */
export function virtualIpPreflightOf(settings: Settings): { virtualIp?: VirtualIpPreflight } {
  const { virtualIp } = settings;
  if (virtualIp === undefined) return {};
  const { address, interface: device } = virtualIp;
  return {
    virtualIp: {
      address,
      ...(device === undefined ? {} : { interface: device }),
      peers: peersOf(settings, virtualIp),
    },
  };
}

/**
 * The virtual IP on the load-balancer hosts, if there is one.
 *
 * @param serving what serves the LB port
 */
export function virtualIpOn(
  hosts: readonly Host[],
  settings: Settings,
  serving: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { virtualIp: choice, topology, ports, ownAddress } = settings;
  if (choice === undefined) return [];
  const { address, interface: device, routerId } = choice;
  const behind = topology === "external" ? "service" : "forward";
  const part = {
    address,
    ...(device === undefined ? {} : { interface: device }),
    routerId: routerId ?? derivedRouterId(stackName(), address),
    ports,
    ownAddress,
    behind,
    peersAreBackends: !hasDedicatedHosts(settings),
  } as const;
  return virtualIp(hosts, part, peersOf(settings, choice), serving);
}

function peersOf(settings: Settings, { peers }: VirtualIpChoice): string[] {
  const hosts = loadBalancersOf(settings).filter(({ lost }) => !lost);
  return [...hosts.map(({ address }) => address), ...peers];
}

/** One Host per machine; a warning names those that are off for repair. */
export function hostsOf(nodes: readonly NodeSettings[]): Host[] {
  return nodes.map(({ name, address, ssh, generation, lost, away }) => {
    if (away) void pulumi.log.warn(`${name} is away: nothing runs there until the key away goes`);
    return new Host(name, { address, target: ssh, generation, lost, away });
  });
}

/**
 * The configured API servers, `ADDRESS:PORT` by name. HAProxy starts with them; those that do not
 * exist yet are down.
 */
export function configuredBackends({ nodes, ports }: Settings): Record<string, string> {
  return Object.fromEntries(
    nodes
      .filter(({ lost }) => !lost)
      .map(({ name, address }) => [name, formatBackend({ address, port: ports.api })]),
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
