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
import { daemonSetOf } from "./cluster-objects";
import {
  clusterConnection,
  clusterProvider,
  endpointOf,
  existingOf,
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
  loadBalance(controlPlaneNodes, kubeconfig, settings);
  return outputsOf(settings, kubeconfig);
}

/** Forwards by the name of their host; the preflights of all hosts come first. */
function prepareHosts(
  hosts: readonly Host[],
  settings: Settings,
): ReadonlyMap<string, pulumi.Resource> {
  const { endpoint, ports, ownAddress, allow } = settings;
  const checked = preflights(hosts, {
    ports,
    endpoint: endpointOf(settings),
    forward: settings.forward.kind,
    ownAddress,
    allow,
    bootstrap: settings.bootstrap === "kubeadm",
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

function loadBalance(
  controlPlaneNodes: readonly ControlPlaneNode[],
  kubeconfig: pulumi.Output<string>,
  settings: Settings,
): void {
  const { ports } = settings;
  const provider = clusterProvider(
    kubeconfig,
    controlPlaneNodes.map(({ ready }) => ready),
  );
  const inCluster = { providers: { kubernetes: provider } };
  const connection = clusterConnection(settings, kubeconfig);
  const pods = daemonSetOf(settings);
  const nodes = controlPlaneNodes.map(({ host, ready }) => ({
    name: host.name,
    address: host.address,
    dependsOn: [ready],
  }));
  const mounted = pods.updater === undefined;
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
          mountedConfig(pods.settings, nodes),
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
      ...pods,
      backends: configMap,
      nodes,
      connection,
      dependsOn: [...access, ...keys, ...reached],
    },
    inCluster,
  );
}
