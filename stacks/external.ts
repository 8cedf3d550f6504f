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
import { Backends, type BackendsArgs } from "../components/cluster/backends";
import { haproxyService } from "../components/ssh/haproxy-service";
import type { Host } from "../components/ssh/host";
import { preflight } from "../components/ssh/preflight";
import { updaterService, updaterToken } from "../components/ssh/updater-service";
import { bundleUpdater } from "../updater/bundle";
import {
  haproxySettings,
  clusterProvider,
  configuredBackends,
  existingOf,
  hostsOf,
  kubeadmArgs,
  outputsOf,
  type StackOutputs,
} from "./shared";
import { caOfKubeconfig } from "./kubeconfig";
import type { Settings } from "./settings";
import { keepTopology } from "./keep-topology";

/**
 * HAProxy and its updater as services of hosts: of the control-plane nodes themselves, or of hosts of their own. In this order: every host is looked at, the
 * cluster's CA exists, every load balancer trusts it and listens, kubeadm makes the cluster through them, the updater's token exists and is
 * used on every load balancer, the other control-plane nodes join.
 */
export function externalStack(settings: Settings): StackOutputs {
  const controlPlaneNodes = hostsOf(settings.nodes);
  const own = settings.loadBalancers.length > 0;
  const loadBalancers = own ? hostsOf(settings.loadBalancers) : controlPlaneNodes;
  const looked = checkHosts(controlPlaneNodes, own ? loadBalancers : [], settings);
  const checked = [keepTopology(settings.topology, looked)];
  return settings.kubeconfig === undefined
    ? newCluster(controlPlaneNodes, loadBalancers, checked, settings)
    : existingCluster(settings.kubeconfig, loadBalancers, checked, settings);
}

/** Looks at every host, at control-plane nodes only where kubeadm or HAProxy is to run there. */
function checkHosts(
  controlPlaneNodes: readonly Host[],
  loadBalancers: readonly Host[],
  settings: Settings,
): pulumi.Resource[] {
  const { ports, ownAddress, allow, bootstrap, haproxy } = settings;
  const common = { ports, ownAddress, allow, ...existingOf(settings) };
  const service = { takeOver: haproxy.takeOver };
  const onControlPlaneNodes = loadBalancers.length === 0;
  const looked =
    bootstrap === "kubeadm" || onControlPlaneNodes
      ? controlPlaneNodes.map((host) =>
          preflight(host, {
            ...common,
            bootstrap: bootstrap === "kubeadm",
            ...(onControlPlaneNodes ? { service } : {}),
          }),
        )
      : [];
  return [
    ...looked,
    ...loadBalancers.map((host) =>
      preflight(host, { ...common, bootstrap: false, controlPlaneNode: false, service }),
    ),
  ];
}

function newCluster(
  controlPlaneNodes: readonly Host[],
  loadBalancers: readonly Host[],
  checked: readonly pulumi.Resource[],
  settings: Settings,
): StackOutputs {
  const { settings: kubeadm } = kubeadmArgs(settings, controlPlaneNodes, []);
  const tickets = initNodeJoinCredentials(controlPlaneNodes, checked);
  const ca = clusterCa(controlPlaneNodes, kubeadm, tickets, checked);
  const serving = balance(loadBalancers, ca.certificate, [...checked, ca.made], settings);
  const args = kubeadmArgs(settings, controlPlaneNodes, [...checked, ca.made, ...serving]);
  const initNode = initNodeOf(controlPlaneNodes);
  const first = bootstrapInitNode(args, tickets);
  const kubeconfig = adminKubeconfig(controlPlaneNodes, [first]);
  const others = controlPlaneNodes.filter((each) => each !== initNode && !each.lost);
  const cluster = connect(kubeconfig, loadBalancers, [first, ...serving], settings, {
    controlPlaneNodes: [{ ...nodeOf(initNode), dependsOn: [first] }],
    later: others,
  });
  const joined = joinMembers(args, first, cluster.tokens);
  for (const host of others) {
    cluster.backends.add({
      ...nodeOf(host),
      dependsOn: [joined.get(host.name) as pulumi.Resource],
    });
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
  const serving = balance(loadBalancers, ca, checked, settings);
  const nodes = settings.nodes.filter(({ lost }) => !lost);
  const controlPlaneNodes = nodes.map(({ name, address }) => ({ name, address, dependsOn: [] }));
  connect(kubeconfig, loadBalancers, serving, settings, { controlPlaneNodes });
  return outputsOf(settings, kubeconfig);
}

/** HAProxy and updater on each host, one host after the other: one that does not come back healthy stops the roll. */
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
    const own = { ports, takeOver };
    done.push(service, haproxyService(host, own, [...dependsOn, ...done, service]));
  }
  return done;
}

/** Rights, token and ConfigMap in the cluster, and the token on every load balancer. */
function connect(
  kubeconfig: pulumi.Output<string>,
  loadBalancers: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
  known: Pick<BackendsArgs, "controlPlaneNodes" | "later">,
): { readonly backends: Backends; readonly tokens: pulumi.Resource[] } {
  const { discovery, ports, token } = settings;
  const inCluster = { providers: { kubernetes: clusterProvider(kubeconfig, dependsOn) } };
  const access = new Access("access", { discovery, tokenGeneration: token.generation }, inCluster);
  const backends = new Backends("backends", { ...known, apiPort: ports.api }, inCluster);
  const text = access.token as pulumi.Output<string>;
  const delivery = { delivery: token.delivery, healthPort: ports.health };
  // with its token the updater reads the ConfigMap: without a key it would report NoBackends
  const before = [...dependsOn, ...access.rights, backends.list, ...backends.entries];
  const tokens = loadBalancers.map((host) => updaterToken(host, text, delivery, before));
  return { backends, tokens };
}

function nodeOf({ name, address }: Host): { name: string; address: string } {
  return { name, address };
}
