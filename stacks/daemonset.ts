import * as pulumi from "@pulumi/pulumi";
import { isIP } from "node:net";
import { kubeadmCluster } from "../components/ssh/kubeadm-cluster";
import { Access } from "../components/cluster/access";
import { backendKey, Backends, haproxyConfigKey, markInUse } from "../components/cluster/backends";
import { HaproxyDaemonSet } from "../components/cluster/haproxy-daemonset";
import { mountedConfig } from "../pod/mounted-pod";
import { canonicalAddress } from "../haproxy/address";
import type { Host } from "../components/ssh/host";
import { portForward } from "../components/ssh/port-forward";
import { preflights } from "../components/ssh/preflight";
import { reachability } from "../components/ssh/reachability";
import { supportsPreStopHandover } from "../host/forward/forward-settings";
import { bundleUpdater } from "../updater/bundle";
import {
  haproxySettings,
  clusterConnection,
  clusterProvider,
  endpointOf,
  existingOf,
  hostsOf,
  kubeadmArgs,
  outputsOf,
  virtualIpOn,
  virtualIpPreflightOf,
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
  const prepared = prepareHosts(hosts, settings);
  const { controlPlaneNodes, kubeconfig } = connectCluster(hosts, prepared, settings);
  loadBalance(controlPlaneNodes, kubeconfig, settings);
  return outputsOf(settings, kubeconfig);
}

/** Forwards and virtual IP; the preflights of all hosts come first. */
function prepareHosts(hosts: readonly Host[], settings: Settings): PreparedHosts {
  const { endpoint, ports, ownAddress, allow } = settings;
  const checked = preflights(hosts, {
    ports,
    endpoint: endpointOf(settings),
    forward: settings.forward.kind,
    ownAddress,
    allow,
    bootstrap: settings.bootstrap === "kubeadm",
    ...virtualIpPreflightOf(settings),
    ...existingOf(settings),
  });
  const forward = {
    kind: settings.forward.kind,
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
  const kept = keepIdentity(settings, checked);
  const forwards = new Map(
    hosts.map((host) => [host.name, portForward(host, forward, [kept])] as const),
  );
  const serving = [...forwards.values()];
  return { forwards, ready: [...serving, ...virtualIpOn(hosts, settings, serving)] };
}

interface PreparedHosts {
  /** By the name of their host. */
  readonly forwards: ReadonlyMap<string, pulumi.Resource>;
  /** After these the endpoint answers as soon as an API server does. */
  readonly ready: readonly pulumi.Resource[];
}

interface ControlPlaneNode {
  readonly host: Host;
  /** After this resource the host is a control-plane node with a forward. */
  readonly ready: pulumi.Resource;
}

/** The control-plane nodes that are not lost, and the cluster's kubeconfig. */
function connectCluster(
  hosts: readonly Host[],
  { forwards, ready: before }: PreparedHosts,
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
  const cluster = kubeadmCluster(kubeadmArgs(settings, hosts), before);
  return {
    controlPlaneNodes: liveNodes(cluster.controlPlaneNodes),
    kubeconfig: cluster.kubeconfig,
  };
}

function loadBalance(
  controlPlaneNodes: readonly ControlPlaneNode[],
  kubeconfig: pulumi.Output<string>,
  settings: Settings,
): void {
  const { ports, haproxy, updater } = settings;
  const provider = clusterProvider(
    kubeconfig,
    controlPlaneNodes.map(({ ready }) => ready),
  );
  const inCluster = { providers: { kubernetes: provider } };
  const connection = clusterConnection(settings, kubeconfig);
  const pods = haproxySettings(settings);
  const nodes = controlPlaneNodes.map(({ host, ready }) => ({
    name: host.name,
    address: host.address,
    dependsOn: [ready],
  }));
  const mounted = settings.daemonset.variant === "mounted";
  // without checkConfig the image has no shell
  const preStopHandover =
    supportsPreStopHandover(settings.forward.kind) && (mounted || updater.checkConfig);
  const { discovery } = settings;
  const backends = new Backends("backends", { controlPlaneNodes: nodes, connection }, inCluster);
  const { configMap } = backends;
  const access = mounted
    ? []
    : new Access("access", { discovery, dependsOn: [configMap] }, inCluster).rights;
  markInUse(
    backends,
    controlPlaneNodes.map(({ ready }) => ready),
  );
  const keys = mounted
    ? [
        haproxyConfigKey(
          backends,
          mountedConfig(pods, nodes),
          controlPlaneNodes.map(({ ready }) => ready),
        ),
      ]
    : nodes.map((node) => backendKey(backends, node, ports.api));
  const hosts = controlPlaneNodes.map(({ host }) => host);
  const reached = reachability(
    hosts,
    hosts,
    { lbPort: ports.lb, forwardTo: ports.api },
    controlPlaneNodes.map(({ ready }) => ready),
  );
  new HaproxyDaemonSet(
    "haproxy",
    {
      settings: pods,
      preStopHandover,
      backends: configMap,
      haproxyImage: haproxy.image,
      haproxyResources: haproxy.resources,
      ...(mounted ? {} : { updater: { ...updater, script: bundleUpdater() } }),
      imagePullSecrets: settings.imagePullSecrets,
      nodes,
      connection,
      dependsOn: [...access, ...keys, ...reached],
    },
    inCluster,
  );
}
