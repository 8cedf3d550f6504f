import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bootstrapScript } from "../../host/kubeadm/bootstrap-script";
import { caScript } from "../../host/kubeadm/ca-script";
import { joinCredentialsScript } from "../../host/kubeadm/join-credentials-script";
import type { KubeadmSettings } from "../../host/kubeadm/kubeadm-settings";
import { kubeconfigScript } from "../../host/kubeadm/kubeconfig-script";
import type { Host } from "./host";

/** What the cluster is made of. */
export interface KubeadmClusterArgs {
  /** The control-plane nodes; the first that is not lost may make the cluster. */
  readonly hosts: readonly Host[];
  readonly settings: KubeadmSettings;
  /** `kubeadm reset` when everything is destroyed. */
  readonly resetOnDestroy: boolean;
  /** Seconds that a leaving control-plane node's clients have to go elsewhere. */
  readonly drainSeconds: number;
  /** What must be there before kubeadm runs anywhere: the forwards, or HAProxy as a service. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/** Control-plane nodes made by kubeadm. */
export interface KubeadmCluster {
  /** By name: what makes a host a control-plane node, and takes it out of the cluster when it is deleted. */
  readonly controlPlaneNodes: ReadonlyMap<string, remote.Command>;
  /** The administrator's kubeconfig, with the endpoint as its server. SECRET */
  readonly kubeconfig: pulumi.Output<string>;
}

/**
 * kubeadm on all hosts, one after the other.
 *
 * The head asks all the others for join credentials first: on the first day there is none and it makes the cluster, later it joins like any other.
 * The others get theirs from the head, each after the one before it has joined: join credentials replaces the certificates of the last one.
 */
export function kubeadmCluster(args: KubeadmClusterArgs): KubeadmCluster {
  const live = args.hosts.filter((host) => !host.lost);
  const first = bootstrapInitNode(args, initNodeJoinCredentials(args.hosts, args.dependsOn));
  const controlPlaneNodes = joinMembers(args, first, []);
  const dependsOn = live.flatMap(({ name }) => controlPlaneNodes.get(name) ?? []);
  return { controlPlaneNodes, kubeconfig: adminKubeconfig(args.hosts, dependsOn) };
}

/** The first host that is not lost. */
export function initNodeOf(hosts: readonly Host[]): Host {
  const initNode = hosts.find((host) => !host.lost);
  if (initNode === undefined) throw new Error("kubeadm: no host that is not lost");
  return initNode;
}

/** Join credentials for the head from all the others. */
export function initNodeJoinCredentials(
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): remote.Command[] {
  const initNode = initNodeOf(hosts);
  const tickets: remote.Command[] = [];
  for (const helper of hosts.filter((host) => host !== initNode && !host.lost)) {
    tickets.push(ticket(initNode, helper, [...dependsOn, ...tickets]));
  }
  return tickets;
}

/** The certificate of the cluster's CA, before there is a cluster: load balancers know whom to trust from their first moment on. */
export function clusterCa(
  hosts: readonly Host[],
  settings: KubeadmSettings,
  tickets: readonly remote.Command[],
  dependsOn: readonly pulumi.Resource[],
): { readonly certificate: pulumi.Output<string>; readonly made: pulumi.Resource } {
  const initNode = initNodeOf(hosts);
  const script = pulumi.all(tickets.map(({ stdout }) => stdout)).apply((lines) =>
    caScript({
      settings,
      node: { name: initNode.name, address: initNode.address },
      others: nodesOf(hosts.filter((host) => host !== initNode && !host.lost)),
      tickets: lines,
      generation: initNode.generation,
    }),
  );
  const made = initNode.run(
    "ca",
    { script, removes: true, secret: true },
    { dependsOn: [...dependsOn, ...tickets] },
  );
  // a certificate is public, only the script's input is not
  return { certificate: pulumi.unsecret(made.stdout), made };
}

/** Makes the head a control-plane node: of a new cluster, or of that whose join credentials it has. */
export function bootstrapInitNode(
  args: KubeadmClusterArgs,
  tickets: readonly remote.Command[],
): remote.Command {
  return bootstrap(args, { host: initNodeOf(args.hosts), tickets, dependsOn: args.dependsOn });
}

/** Makes the others control-plane nodes, one after the other. By name, the head among them. */
export function joinMembers(
  args: KubeadmClusterArgs,
  first: remote.Command,
  dependsOn: readonly pulumi.Resource[],
): Map<string, remote.Command> {
  const initNode = initNodeOf(args.hosts);
  const controlPlaneNodes = new Map([[initNode.name, first]]);
  for (const host of args.hosts.filter((each) => each !== initNode && !each.lost)) {
    const before = [...args.dependsOn, ...dependsOn, ...controlPlaneNodes.values()];
    const tickets = [ticket(host, initNode, before)];
    controlPlaneNodes.set(host.name, bootstrap(args, { host, tickets, dependsOn: before }));
  }
  for (const host of args.hosts.filter(({ lost }) => lost)) {
    controlPlaneNodes.set(
      host.name,
      bootstrap(args, { host, tickets: [], dependsOn: args.dependsOn }),
    );
  }
  return controlPlaneNodes;
}

/** The administrator's kubeconfig from the head. SECRET */
export function adminKubeconfig(
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): pulumi.Output<string> {
  const script = kubeconfigScript();
  const admin = initNodeOf(hosts).run("kubeconfig", { script, secret: true }, { dependsOn });
  return pulumi.secret(admin.stdout);
}

function nodesOf(hosts: readonly Host[]) {
  return hosts.map(({ name, address }) => ({ name, address }));
}

/** Runs on the helper, belongs to the host that joins. */
function ticket(host: Host, helper: Host, dependsOn: readonly pulumi.Resource[]): remote.Command {
  const script = joinCredentialsScript({ for: host.name, generation: host.generation });
  return helper.run(
    `ticket-from-${helper.name}`,
    { script, secret: true },
    { dependsOn, owner: host },
  );
}

interface Join {
  readonly host: Host;
  readonly tickets: readonly remote.Command[];
  readonly dependsOn: readonly pulumi.Resource[];
}

function bootstrap(args: KubeadmClusterArgs, join: Join): remote.Command {
  const { host, tickets, dependsOn } = join;
  const others = args.hosts.filter((other) => !other.lost && other !== host);
  const script = pulumi.all(tickets.map(({ stdout }) => stdout)).apply((lines) =>
    bootstrapScript({
      settings: args.settings,
      node: { name: host.name, address: host.address },
      others: nodesOf(others),
      initNode: host === initNodeOf(args.hosts),
      tickets: lines,
      generation: host.generation,
      resetOnRemove: args.resetOnDestroy,
      drainSeconds: args.drainSeconds,
    }),
  );
  return host.run(
    "bootstrap",
    { script, removes: true, secret: true },
    { dependsOn: [...dependsOn, ...tickets] },
  );
}
