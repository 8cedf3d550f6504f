import * as pulumi from "@pulumi/pulumi";
import {
  adminKubeconfig,
  bootstrapHead,
  clusterCa,
  headOf,
  headTickets,
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
  balancerSettings,
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
 * HAProxy and its updater as services of hosts: of the masters themselves, or of hosts of their own. In this order: every host is looked at, the
 * cluster's CA exists, every load balancer trusts it and listens, kubeadm makes the cluster through them, the updater's token exists and is
 * used on every load balancer, the other masters join.
 */
export function externalStack(settings: Settings): StackOutputs {
  const masters = hostsOf(settings.nodes);
  const own = settings.loadBalancers.length > 0;
  const balancers = own ? hostsOf(settings.loadBalancers) : masters;
  const looked = checkHosts(masters, own ? balancers : [], settings);
  const checked = [keepTopology(settings.topology, looked)];
  return settings.kubeconfig === undefined
    ? newCluster(masters, balancers, checked, settings)
    : existingCluster(settings.kubeconfig, balancers, checked, settings);
}

/** Looks at every host, at masters only where kubeadm or HAProxy is to run there. */
function checkHosts(
  masters: readonly Host[],
  balancers: readonly Host[],
  settings: Settings,
): pulumi.Resource[] {
  const { ports, ownAddress, allow, bootstrap, haproxy } = settings;
  const common = { ports, ownAddress, allow, ...existingOf(settings) };
  const service = { takeOver: haproxy.takeOver };
  const onMasters = balancers.length === 0;
  const looked =
    bootstrap === "kubeadm" || onMasters
      ? masters.map((host) =>
          preflight(host, {
            ...common,
            bootstrap: bootstrap === "kubeadm",
            ...(onMasters ? { service } : {}),
          }),
        )
      : [];
  return [
    ...looked,
    ...balancers.map((host) =>
      preflight(host, { ...common, bootstrap: false, master: false, service }),
    ),
  ];
}

function newCluster(
  masters: readonly Host[],
  balancers: readonly Host[],
  checked: readonly pulumi.Resource[],
  settings: Settings,
): StackOutputs {
  const { settings: kubeadm } = kubeadmArgs(settings, masters, []);
  const tickets = headTickets(masters, checked);
  const ca = clusterCa(masters, kubeadm, tickets, checked);
  const serving = balance(balancers, ca.certificate, [...checked, ca.made], settings);
  const args = kubeadmArgs(settings, masters, [...checked, ca.made, ...serving]);
  const head = headOf(masters);
  const first = bootstrapHead(args, tickets);
  const kubeconfig = adminKubeconfig(masters, [first]);
  const others = masters.filter((each) => each !== head && !each.lost);
  const cluster = connect(kubeconfig, balancers, [first, ...serving], settings, {
    masters: [{ ...nodeOf(head), dependsOn: [first] }],
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
  balancers: readonly Host[],
  checked: readonly pulumi.Resource[],
  settings: Settings,
): StackOutputs {
  const kubeconfig = pulumi.secret(text);
  const ca = pulumi.output(caOfKubeconfig(text) ?? "");
  const serving = balance(balancers, ca, checked, settings);
  const nodes = settings.nodes.filter(({ lost }) => !lost);
  const masters = nodes.map(({ name, address }) => ({ name, address, dependsOn: [] }));
  connect(kubeconfig, balancers, serving, settings, { masters });
  return outputsOf(settings, kubeconfig);
}

/** HAProxy and updater on each host, one host after the other: one that does not come back healthy stops the roll. */
function balance(
  balancers: readonly Host[],
  caCert: pulumi.Output<string>,
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
): pulumi.Resource[] {
  const { ports, ownAddress, token } = settings;
  const { takeOver } = settings.haproxy;
  const script = bundleUpdater();
  const done: pulumi.Resource[] = [];
  for (const host of balancers) {
    const service = updaterService(
      host,
      {
        ownAddress,
        script,
        backends: configuredBackends(settings),
        ...balancerSettings(settings),
        token: token.delivery,
      },
      caCert,
      [...dependsOn, ...done],
    );
    const own = { ports, ownAddress, takeOver };
    done.push(service, haproxyService(host, own, [...dependsOn, ...done, service]));
  }
  return done;
}

/** Rights, token and ConfigMap in the cluster, and the token on every load balancer. */
function connect(
  kubeconfig: pulumi.Output<string>,
  balancers: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
  settings: Settings,
  known: Pick<BackendsArgs, "masters" | "later">,
): { readonly backends: Backends; readonly tokens: pulumi.Resource[] } {
  const { discovery, ports, token } = settings;
  const inCluster = { providers: { kubernetes: clusterProvider(kubeconfig, dependsOn) } };
  const access = new Access("access", { discovery, tokenGeneration: token.generation }, inCluster);
  const backends = new Backends("backends", { ...known, apiPort: ports.api }, inCluster);
  const text = access.token as pulumi.Output<string>;
  const delivery = { delivery: token.delivery, healthPort: ports.health };
  // with its token the updater reads the ConfigMap: without a key it would report NoBackends
  const before = [...dependsOn, ...access.rights, backends.list, ...backends.entries];
  const tokens = balancers.map((host) => updaterToken(host, text, delivery, before));
  return { backends, tokens };
}

function nodeOf({ name, address }: Host): { name: string; address: string } {
  return { name, address };
}
