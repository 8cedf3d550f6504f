import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bootstrapScript } from "../../host/kubeadm/bootstrap-script";
import { caScript } from "../../host/kubeadm/ca-script";
import { joinCredentialsScript } from "../../host/kubeadm/join-credentials-script";
import { adminKubeconfig as rebuildKubeconfig } from "../../host/kubeadm/admin-kubeconfig";
import { expiresSoon } from "../../host/kubeadm/kubeconfig";
import { kubeconfigScript } from "../../host/kubeadm/kubeconfig-script";
import type { KubeadmSettings } from "../../host/kubeadm/kubeadm-settings";
import type { Host } from "./host";
import { keepInitSettings } from "./keep-init-settings";
import { kubeadmAdvice } from "./kubeadm-advice";

/** Arguments of {@link kubeadmCluster} and of its steps. */
export interface KubeadmClusterArgs {
  /** The control-plane nodes; the first that is neither lost nor away is the init node. */
  readonly hosts: readonly Host[];
  readonly settings: KubeadmSettings;
  /** Run `kubeadm reset` when the whole stack is destroyed? */
  readonly resetOnDestroy: boolean;
  /** Seconds that clients of a leaving control-plane node have to reconnect elsewhere. */
  readonly drainSeconds: number;
}

/** A cluster of control-plane nodes made by kubeadm. */
export interface KubeadmCluster {
  /** By name: creating it makes the host a control-plane node, deleting it removes the node. */
  readonly controlPlaneNodes: ReadonlyMap<string, remote.Command>;
  /** The administrator's kubeconfig, with the endpoint as its server. SECRET */
  readonly kubeconfig: pulumi.Output<string>;
}

/**
 * kubeadm on all hosts, one after the other.
 *
 * The init node first requests join credentials from all others. If none has any, as on the first
 * day, it creates the cluster; a reprovisioned init node joins. The others join with credentials of
 * the init node, each issued after the previous join: issuing replaces the uploaded certificates.
 *
 * @param dependsOn what must exist before kubeadm runs anywhere: the forwards
 */
export function kubeadmCluster(
  args: KubeadmClusterArgs,
  dependsOn: readonly pulumi.Resource[],
): KubeadmCluster {
  const joinCredentials = initNodeJoinCredentials(args.hosts, dependsOn);
  const initialized = bootstrapInitNode(args, joinCredentials, dependsOn);
  const controlPlaneNodes = joinMembers(args, initialized, dependsOn);
  const live = args.hosts.filter(({ reachable }) => reachable);
  const bootstraps = live.flatMap(({ name }) => controlPlaneNodes.get(name) ?? []);
  return { controlPlaneNodes, kubeconfig: adminKubeconfig(args, bootstraps) };
}

/** The host that may run `kubeadm init`: the first that is neither lost nor away. */
export function initNodeOf(hosts: readonly Host[]): Host {
  const initNode = hosts.find(({ reachable }) => reachable);
  if (initNode === undefined) throw new Error("kubeadm: no host that is neither lost nor away");
  return initNode;
}

/** Join credentials for the init node, from every other host that has a cluster. */
export function initNodeJoinCredentials(
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): remote.Command[] {
  const initNode = initNodeOf(hosts);
  const issued: remote.Command[] = [];
  // the usual init node has the credentials of a host that is away in the state; another has none
  const isUsual = initNode === hosts.find(({ lost }) => !lost);
  const issuers = othersOf(hosts, initNode).filter(({ reachable }) => reachable || isUsual);
  for (const issuer of issuers) {
    issued.push(issueJoinCredentials(issuer, initNode, [...dependsOn, ...issued]));
  }
  return issued;
}

/** The cluster's CA, created before the cluster: load balancers trust it from their start. */
export function clusterCa(
  args: KubeadmClusterArgs,
  joinCredentials: readonly remote.Command[],
  dependsOn: readonly pulumi.Resource[],
): { readonly certificate: pulumi.Output<string>; readonly created: pulumi.Resource } {
  const initNode = initNodeOf(args.hosts);
  const script = printed(joinCredentials).apply((lines) =>
    caScript({ ...nodeOptions(args, initNode), joinCredentials: lines }),
  );
  const created = initNode.run(
    "ca",
    { script, again: AGAIN, secret: true },
    // it goes with the role of the init node, which may be given up because the machine is gone
    { dependsOn: [...dependsOn, ...joinCredentials], leavesPart: true },
  );
  // The certificate is public, only the script holds secrets.
  return { certificate: pulumi.unsecret(created.stdout), created };
}

/** Makes the init node a control-plane node: by init, or by join where it has join credentials. */
export function bootstrapInitNode(
  args: KubeadmClusterArgs,
  joinCredentials: readonly remote.Command[],
  dependsOn: readonly pulumi.Resource[],
): remote.Command {
  return bootstrap(args, initNodeOf(args.hosts), joinCredentials, dependsOn);
}

/**
 * Makes the other hosts control-plane nodes, one after the other. Returns all of them by name, the
 * init node and lost hosts included.
 *
 * @param initialized the init node's bootstrap
 */
export function joinMembers(
  args: KubeadmClusterArgs,
  initialized: remote.Command,
  dependsOn: readonly pulumi.Resource[],
): Map<string, remote.Command> {
  const initNode = initNodeOf(args.hosts);
  const controlPlaneNodes = new Map([[initNode.name, initialized]]);
  for (const host of othersOf(args.hosts, initNode)) {
    const before = [...dependsOn, ...controlPlaneNodes.values()];
    const joinCredentials = [issueJoinCredentials(initNode, host, before)];
    controlPlaneNodes.set(host.name, bootstrap(args, host, joinCredentials, before));
  }
  for (const host of args.hosts.filter(({ lost }) => lost)) {
    controlPlaneNodes.set(host.name, bootstrap(args, host, [], dependsOn));
  }
  return controlPlaneNodes;
}

/**
 * The administrator's kubeconfig, read on the init node and rebuilt. SECRET
 *
 * It is read again when the generation of any node is raised. When what was read has less than 60
 * days left, it is read again once a day, so that it follows kubeadm's renewal.
 */
export function adminKubeconfig(
  { hosts, settings }: Pick<KubeadmClusterArgs, "hosts" | "settings">,
  dependsOn: readonly pulumi.Resource[],
  now: Date = new Date(),
): pulumi.Output<string> {
  const initNode = initNodeOf(hosts);
  const generations = Object.fromEntries(
    hosts.filter(({ lost }) => !lost).map(({ name, generation }) => [name, generation]),
  );
  const first = initNode.run(
    "kubeconfig",
    { script: kubeconfigScript({ generations }), secret: true },
    { dependsOn },
  );
  const script = first.stdout.apply((text) => {
    const soon = expiresSoon(text, now) !== undefined;
    const today = soon ? now.toISOString().slice(0, 10) : undefined;
    return kubeconfigScript({ generations, renewal: { today } });
  });
  const renewed = initNode.run(
    "kubeconfig-renewed",
    { script, secret: true },
    { dependsOn: [...dependsOn, first] },
  );
  const text = pulumi.all([first.stdout, renewed.stdout]).apply(([before, after]) => {
    const rebuilt = rebuild(after.trim() === "" ? before : after, settings.endpoint);
    const days = expiresSoon(rebuilt, now);
    if (days !== undefined) void pulumi.log.warn(expiryWarning(initNode.name, days));
    return rebuilt;
  });
  return pulumi.secret(text);
}

function rebuild(printed: string, endpoint: { host: string; port: number }): string {
  try {
    return rebuildKubeconfig(printed, endpoint);
  } catch (error) {
    // the operator needs the reason, not a stack trace
    throw new pulumi.RunError((error as Error).message);
  }
}

function expiryWarning(name: string, days: number): string {
  const when = days < 0 ? "has expired" : `expires in ${days} days`;
  return `the administrator's kubeconfig ${when}: run \`kubeadm certs renew admin.conf\` on ${name} (kubeadm upgrade does so too), then \`pulumi up\` reads it again`;
}

/** Runs on the issuer, but belongs to the joining host: it is deleted with it. */
function issueJoinCredentials(
  issuer: Host,
  joining: Host,
  dependsOn: readonly pulumi.Resource[],
): remote.Command {
  const { name, generation, address, hostKey } = joining;
  const machine = `${name} at ${address}, ${hostKey}`;
  const script = joinCredentialsScript({ for: name, generation, machine });
  // no node's name has a slash: with one, names of two nodes make no name of another resource
  return issuer.run(
    `join-credentials-from/${issuer.name}`,
    { script, secret: true },
    {
      dependsOn,
      owner: joining,
      aliases: [`${joining.name}-join-credentials-from-${issuer.name}`],
    },
  );
}

function bootstrap(
  args: KubeadmClusterArgs,
  host: Host,
  joinCredentials: readonly remote.Command[],
  dependsOn: readonly pulumi.Resource[],
): remote.Command {
  const script = printed(joinCredentials).apply((lines) =>
    bootstrapScript({
      ...nodeOptions(args, host),
      initNode: host === initNodeOf(args.hosts),
      joinCredentials: lines,
      resetOnRemove: args.resetOnDestroy,
      drainSeconds: args.drainSeconds,
    }),
  );
  return host.run(
    "bootstrap",
    { script, removes: true, again: AGAIN, secret: true },
    { dependsOn: [...dependsOn, ...joinCredentials], beforeUpdate: keepInitSettings(host.name) },
  );
}

/** The stack has had a cluster, or its CA: the scripts create no other one. */
const AGAIN = "again";

/** What the scripts of one host have in common. */
function nodeOptions({ hosts, settings }: KubeadmClusterArgs, host: Host) {
  return {
    settings,
    node: nodeOf(host),
    others: othersOf(hosts, host).map(nodeOf),
    generation: host.generation,
    advice: kubeadmAdvice(host),
  };
}

function nodeOf({ name, address }: Host) {
  return { name, address };
}

/** The hosts beside this one that are not lost. */
function othersOf(hosts: readonly Host[], host: Host): Host[] {
  return hosts.filter((other) => !other.lost && other !== host);
}

function printed(commands: readonly remote.Command[]): pulumi.Output<string[]> {
  return pulumi.all(commands.map(({ stdout }) => stdout));
}
