import type * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  adminKubeconfig,
  bootstrapInitNode,
  clusterCa,
  initNodeOf,
  initNodeJoinCredentials,
  joinMembers,
} from "../components/ssh/kubeadm-cluster";
import { Access } from "../components/cluster/access";
import {
  backendKey,
  Backends,
  markInUse,
  type ControlPlaneNode,
} from "../components/cluster/backends";
import { haproxyService } from "../components/ssh/haproxy-service";
import type { Host } from "../components/ssh/host";
import { preflight } from "../components/ssh/preflight";
import { reachability } from "../components/ssh/reachability";
import { updaterService, updaterToken } from "../components/ssh/updater-service";
import { bundleUpdater } from "../updater/bundle";
import {
  haproxySettings,
  clusterConnection,
  clusterProvider,
  configuredBackends,
  endpointOf,
  existingOf,
  hostsOf,
  kubeadmArgs,
  outputsOf,
  virtualIpOn,
  virtualIpPreflightOf,
  type StackOutputs,
} from "./shared";
import { caOfKubeconfig } from "../host/kubeadm/kubeconfig";
import { hasDedicatedHosts, type Settings } from "./settings";
import { keepIdentity } from "./keep-identity";
import { isAllowed } from "./networks";

/**
 * HAProxy and its updater as services of the load-balancer hosts: the control-plane nodes, or
 * dedicated hosts. In this order: the preflight of every host, the cluster's CA, HAProxy on every
 * load-balancer host, the cluster's first control-plane node (kubeadm reaches it through HAProxy),
 * the updater's token on every load-balancer host, the other control-plane nodes.
 */
export function externalStack(settings: Settings): StackOutputs {
  const controlPlaneNodes = hostsOf(settings.nodes);
  const dedicated = hasDedicatedHosts(settings) ? hostsOf(settings.loadBalancers) : [];
  const loadBalancers = dedicated.length > 0 ? dedicated : controlPlaneNodes;
  const preflights = checkHosts(controlPlaneNodes, dedicated, settings);
  const checked = [keepIdentity(settings, preflights)];
  return settings.kubeconfig === undefined
    ? newCluster(controlPlaneNodes, loadBalancers, checked, settings)
    : existingCluster(settings.kubeconfig, loadBalancers, checked, settings);
}

/** The preflight of every host; of control-plane nodes only where kubeadm or HAProxy runs there. */
function checkHosts(
  controlPlaneNodes: readonly Host[],
  dedicated: readonly Host[],
  settings: Settings,
): pulumi.Resource[] {
  const { ports, ownAddress, allow, bootstrap, haproxy } = settings;
  const endpoint = endpointOf(settings);
  const common = { ports, endpoint, ownAddress, allow, ...existingOf(settings) };
  const service = { service: { takeOver: haproxy.takeOver }, ...virtualIpPreflightOf(settings) };
  const onControlPlaneNodes = dedicated.length === 0;
  const ofControlPlaneNodes =
    bootstrap === "kubeadm" || onControlPlaneNodes
      ? controlPlaneNodes.map((host) =>
          preflight(host, {
            ...common,
            bootstrap: bootstrap === "kubeadm",
            ...(onControlPlaneNodes ? service : {}),
          }),
        )
      : [];
  return [
    ...ofControlPlaneNodes,
    ...dedicated.map((host) =>
      preflight(host, { ...common, bootstrap: false, controlPlaneNode: false, ...service }),
    ),
  ];
}

function newCluster(
  controlPlaneNodes: readonly Host[],
  loadBalancers: readonly Host[],
  checked: readonly pulumi.Resource[],
  settings: Settings,
): StackOutputs {
  const kubeadm = kubeadmArgs(settings, controlPlaneNodes);
  const joinCredentials = initNodeJoinCredentials(controlPlaneNodes, checked);
  const ca = clusterCa(kubeadm, joinCredentials, checked);
  const hosts = [...new Set([...controlPlaneNodes, ...loadBalancers])];
  const serving = reached(
    hosts,
    loadBalancers,
    balance(loadBalancers, ca.certificate, [...checked, ca.created], settings),
    settings,
  );
  const prepared = [...checked, ca.created, ...serving];
  const initNode = initNodeOf(controlPlaneNodes);
  const first = bootstrapInitNode(kubeadm, joinCredentials, prepared);
  const kubeconfig = adminKubeconfig(kubeadm, [first]);
  const others = controlPlaneNodes.filter((each) => each !== initNode && !each.lost);
  const cluster = clusterOf(kubeconfig, [first, ...serving], settings);
  const keys = [{ ...nodeOf(initNode), dependsOn: [first] }];
  const tokens = connect(cluster, loadBalancers, [first, ...serving], settings, keys);
  const joined = joinMembers(kubeadm, first, [...prepared, ...tokens]);
  markInUse(cluster.backends, [...joined.values()]);
  for (const host of others) {
    const dependsOn = [joined.get(host.name) as pulumi.Resource];
    backendKey(cluster.backends, { ...nodeOf(host), dependsOn }, settings.ports.api);
  }
  return outputsOf(settings, kubeconfig);
}

function existingCluster(
  text: string,
  loadBalancers: readonly Host[],
  checked: readonly pulumi.Resource[],
  settings: Settings,
): StackOutputs {
  const kubeconfig = pulumi.secret(text);
  const ca = pulumi.output(caOfKubeconfig(text) ?? "");
  // first: a cluster that another stack serves is refused before any host changes
  const cluster = clusterOf(kubeconfig, checked, settings);
  const before = [...checked, cluster.backends.configMap];
  const serving = reached(
    loadBalancers,
    loadBalancers,
    balance(loadBalancers, ca, before, settings),
    settings,
  );
  const nodes = settings.nodes.filter(({ lost }) => !lost);
  const controlPlaneNodes = nodes.map(({ name, address }) => ({ name, address, dependsOn: [] }));
  connect(cluster, loadBalancers, serving, settings, controlPlaneNodes);
  markInUse(cluster.backends, []);
  return outputsOf(settings, kubeconfig);
}

/**
 * HAProxy and updater on each host, one host after the other: a host that does not become healthy
 * stops the roll. Then the virtual IP, in the same way.
 */
function balance(
  loadBalancers: readonly Host[],
  caCert: pulumi.Output<string>,
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
): pulumi.Resource[] {
  const { ports, ownAddress, token } = settings;
  const { takeOver } = settings.haproxy;
  const script = bundleUpdater();
  const done: pulumi.Resource[] = [];
  for (const host of loadBalancers) {
    const service = updaterService(
      host,
      {
        ownAddress,
        script,
        backends: configuredBackends(settings),
        ...haproxySettings(settings),
        token: token.delivery,
      },
      caCert,
      [...dependsOn, ...done],
    );
    const haproxy = { ports, takeOver };
    done.push(service, haproxyService(host, haproxy, [...dependsOn, ...done, service]));
  }
  return [...done, ...virtualIpOn(loadBalancers, settings, done)];
}

/** What serves, and the proof that those of these hosts reach it that may use the LB port. */
function reached(
  hosts: readonly Host[],
  loadBalancers: readonly Host[],
  serving: readonly pulumi.Resource[],
  { ports, allow }: Settings,
): pulumi.Resource[] {
  const clients = hosts.filter(({ address }) => isAllowed(allow, address));
  return [...serving, ...reachability(clients, loadBalancers, { lbPort: ports.lb }, serving)];
}

interface Cluster {
  readonly inCluster: { readonly providers: { readonly kubernetes: kubernetes.Provider } };
  readonly backends: Backends;
}

/** The ConfigMap of the backends, which shows whose cluster it is. */
function clusterOf(
  kubeconfig: pulumi.Output<string>,
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
): Cluster {
  const inCluster = { providers: { kubernetes: clusterProvider(kubeconfig, dependsOn) } };
  const controlPlaneNodes = settings.nodes.filter(({ lost }) => !lost);
  const connection = clusterConnection(settings, kubeconfig);
  const backends = new Backends("backends", { controlPlaneNodes, connection }, inCluster);
  return { inCluster, backends };
}

/**
 * Rights, token and first keys in the cluster, and the token on every load-balancer host.
 *
 * @param dependsOn what comes before rights and token
 * @param serving the control-plane nodes that serve by now; their keys come before the token
 * @returns the tokens on the hosts
 */
function connect(
  { inCluster, backends }: Cluster,
  loadBalancers: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
  serving: readonly ControlPlaneNode[],
): pulumi.Resource[] {
  const { discovery, ports, token } = settings;
  const access = new Access(
    "access",
    {
      discovery,
      tokenGeneration: token.generation,
      dependsOn: [backends.configMap, ...dependsOn],
    },
    inCluster,
  );
  const keys = serving.map((node) => backendKey(backends, node, ports.api));
  const text = access.token as pulumi.Output<string>;
  const delivery = { delivery: token.delivery, ports };
  // with its token the updater reads the ConfigMap: without a key it would report NoBackends
  const before = [...dependsOn, ...access.rights, backends.list, ...keys];
  return loadBalancers.map((host) => updaterToken(host, text, delivery, before));
}

function nodeOf({ name, address }: Host): { name: string; address: string } {
  return { name, address };
}
