import * as pulumi from "@pulumi/pulumi";
import { kubeadmCluster } from "../components/ssh/kubeadm-cluster";
import { Access } from "../components/cluster/access";
import { backendKey, Backends, haproxyConfigKey, markInUse } from "../components/cluster/backends";
import { refuseForeignStack } from "../components/cluster/refuse-foreign-stack";
import { HaproxyDaemonSet } from "../components/cluster/haproxy-daemonset";
import { mountedConfig } from "../pod/mounted-pod";
import type { Host } from "../components/ssh/host";
import { portForward } from "../components/ssh/port-forward";
import { preflights } from "../components/ssh/preflight";
import { reachability } from "../components/ssh/reachability";
import { connectionOf } from "./cluster-connection";
import { daemonSetOf } from "./cluster-objects";
import {
  clusterConnection,
  clusterProvider,
  endpointOf,
  existingOf,
  forwardOf,
  hostsOf,
  kubeadmArgs,
  outputsOf,
  type StackOutputs,
} from "./shared";
import type { Settings } from "./settings";
import { keepIdentity } from "./keep-identity";

/**
 * HAProxy as a DaemonSet on the control-plane nodes. In this order: the preflight of every host,
 * the forward on every host, the cluster (kubeadm makes it through the forwards, or it exists),
 * HAProxy.
 */
export function daemonsetStack(settings: Settings): StackOutputs {
  const hosts = hostsOf(settings.nodes);
  const forwards = prepareHosts(hosts, settings);
  const { controlPlaneNodes, kubeconfig } = connectCluster(hosts, forwards, settings);
  const live = controlPlaneNodes.map(({ host }) => host);
  const reached = reachability(
    live,
    live,
    { lbPort: settings.ports.lb, forwardTo: settings.ports.api },
    controlPlaneNodes.map(({ ready }) => ready),
  );
  const nodes = controlPlaneNodes.map(({ host: { name, address }, ready }) => ({
    name,
    address,
    dependsOn: [ready],
  }));
  loadBalance(nodes, reached, kubeconfig, settings);
  return outputsOf(settings, kubeconfig);
}

/** Forwards by the name of their host; the preflights of all hosts come first. */
function prepareHosts(
  hosts: readonly Host[],
  settings: Settings,
): ReadonlyMap<string, pulumi.Resource> {
  const { ports, ownAddress, allow } = settings;
  const checked = preflights(hosts, {
    ports,
    endpoint: endpointOf(settings),
    forward: settings.forward.kind,
    ownAddress,
    allow,
    bootstrap: settings.bootstrap === "kubeadm",
    ...existingOf(settings),
  });
  const forward = forwardOf(settings);
  const { kubeconfig } = settings;
  const connection = kubeconfig === undefined ? undefined : connectionOf(kubeconfig);
  const kept = keepIdentity(
    settings,
    checked,
    connection === undefined ? [] : [refuseForeignStack(connection)],
  );
  return new Map(hosts.map((host) => [host.name, portForward(host, forward, [kept])]));
}

interface ControlPlaneNode {
  readonly host: Host;
  /** After this resource the host is a control-plane node with a forward. */
  readonly ready: pulumi.Resource;
}

/** The control-plane nodes that are not lost, and the cluster's kubeconfig. */
function connectCluster(
  hosts: readonly Host[],
  forwards: ReadonlyMap<string, pulumi.Resource>,
  settings: Settings,
): { controlPlaneNodes: ControlPlaneNode[]; kubeconfig: pulumi.Output<string> } {
  const liveNodes = (ready: ReadonlyMap<string, pulumi.Resource>): ControlPlaneNode[] =>
    hosts
      .filter(({ lost }) => !lost)
      .map((host) => ({ host, ready: ready.get(host.name) as pulumi.Resource }));
  if (settings.kubeconfig !== undefined) {
    return {
      controlPlaneNodes: liveNodes(forwards),
      kubeconfig: pulumi.secret(settings.kubeconfig),
    };
  }
  const cluster = kubeadmCluster(kubeadmArgs(settings, hosts), [...forwards.values()]);
  return {
    controlPlaneNodes: liveNodes(cluster.controlPlaneNodes),
    kubeconfig: cluster.kubeconfig,
  };
}

/** A control-plane node whose API server is a backend, and which gets a pod. */
export interface BackendNode {
  readonly name: string;
  readonly address: string;
  /** After these the node is a control-plane node with a forward. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * The objects in the cluster.
 *
 * @param reached what proves that hosts reach each other's LB port; it comes before the pods
 */
export function loadBalance(
  nodes: readonly BackendNode[],
  reached: readonly pulumi.Resource[],
  kubeconfig: pulumi.Output<string>,
  settings: Settings,
  options: pulumi.ComponentResourceOptions = {},
): void {
  const { ports, discovery } = settings;
  const ready = nodes.flatMap(({ dependsOn }) => dependsOn);
  const provider = clusterProvider(kubeconfig, ready);
  const inCluster = { ...options, providers: { kubernetes: provider } };
  const connection = clusterConnection(settings, kubeconfig);
  const pods = daemonSetOf(settings);
  const mounted = pods.updater === undefined;
  const backends = new Backends("backends", { controlPlaneNodes: nodes, connection }, inCluster);
  const { configMap } = backends;
  const access = mounted
    ? []
    : new Access("access", { discovery, dependsOn: [configMap] }, inCluster).rights;
  markInUse(backends, ready);
  const keys = mounted
    ? [haproxyConfigKey(backends, mountedConfig(pods.settings, nodes), ready)]
    : nodes.map((node) => backendKey(backends, node, ports.api));
  new HaproxyDaemonSet(
    "haproxy",
    {
      ...pods,
      backends: configMap,
      nodes,
      connection,
      dependsOn: [...access, ...keys, ...reached],
    },
    inCluster,
  );
}
