import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import {
  bootstrapScript,
  kubeconfigScript,
  ticketScript,
  type KubeadmSettings,
} from "../../host/kubeadm";
import type { Host } from "../host/host";

/** What the cluster is made of. */
export interface KubeadmClusterArgs {
  /** The masters; the first that is not lost may make the cluster. */
  readonly hosts: readonly Host[];
  readonly settings: KubeadmSettings;
  /** `kubeadm reset` when everything is destroyed. */
  readonly resetOnDestroy: boolean;
  /** Seconds that a leaving master's clients have to go elsewhere. */
  readonly drainSeconds: number;
  /** What must be there before kubeadm runs anywhere: the forwards. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/** Masters made by kubeadm. */
export interface KubeadmCluster {
  /** By name: what makes a host a master, and takes it out of the cluster when it is deleted. */
  readonly masters: ReadonlyMap<string, remote.Command>;
  /** The administrator's kubeconfig, with the endpoint as its server. SECRET */
  readonly kubeconfig: pulumi.Output<string>;
}

/**
 * kubeadm on all hosts, one after the other.
 *
 * The head asks all the others for a ticket first: on the first day there is none and it makes the cluster, later it joins like any other.
 * The others get theirs from the head, each after the one before it has joined: a ticket replaces the certificates of the last one.
 */
export function kubeadmCluster(args: KubeadmClusterArgs): KubeadmCluster {
  const live = args.hosts.filter((host) => !host.lost);
  const [head, ...members] = live;
  if (head === undefined) throw new Error("kubeadmCluster: no host that is not lost");
  const masters = new Map<string, remote.Command>();
  const join = (host: Host, helpers: readonly Host[], dependsOn: readonly pulumi.Resource[]) => {
    const tickets: remote.Command[] = [];
    for (const helper of helpers) tickets.push(ticket(host, helper, [...dependsOn, ...tickets]));
    masters.set(host.name, bootstrap(args, { host, live, head, tickets, dependsOn }));
  };
  join(head, members, args.dependsOn);
  for (const member of members) join(member, [head], [...args.dependsOn, ...masters.values()]);
  for (const host of args.hosts.filter(({ lost }) => lost)) join(host, [], args.dependsOn);

  const admin = head.run(
    "kubeconfig",
    { script: kubeconfigScript(), secret: true },
    { dependsOn: live.flatMap(({ name }) => masters.get(name) ?? []) },
  );
  return { masters, kubeconfig: pulumi.secret(admin.stdout) };
}

/** Runs on the helper, belongs to the host that joins. */
function ticket(host: Host, helper: Host, dependsOn: readonly pulumi.Resource[]): remote.Command {
  const script = ticketScript({ for: host.name, generation: host.generation });
  return helper.run(
    `ticket-from-${helper.name}`,
    { script, secret: true },
    { dependsOn, owner: host },
  );
}

interface Join {
  readonly host: Host;
  readonly live: readonly Host[];
  readonly head: Host;
  readonly tickets: readonly remote.Command[];
  readonly dependsOn: readonly pulumi.Resource[];
}

function bootstrap(args: KubeadmClusterArgs, join: Join): remote.Command {
  const { host, live, head, tickets, dependsOn } = join;
  const script = pulumi.all(tickets.map(({ stdout }) => stdout)).apply((lines) =>
    bootstrapScript({
      settings: args.settings,
      node: { name: host.name, address: host.address },
      others: live
        .filter((other) => other !== host)
        .map(({ name, address }) => ({ name, address })),
      head: host === head,
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
