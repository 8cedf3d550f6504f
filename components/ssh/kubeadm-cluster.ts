import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bootstrapScript } from "../../host/kubeadm/bootstrap-script";
import { caScript } from "../../host/kubeadm/ca-script";
import { ticketScript } from "../../host/kubeadm/join-credentials-script";
import type { KubeadmSettings } from "../../host/kubeadm/kubeadm-settings";
import { kubeconfigScript } from "../../host/kubeadm/kubeconfig-script";
import type { Host } from "./host";

/** What the cluster is made of. */
export interface KubeadmClusterArgs {
  /** The masters; the first that is not lost may make the cluster. */
  readonly hosts: readonly Host[];
  readonly settings: KubeadmSettings;
  /** `kubeadm reset` when everything is destroyed. */
  readonly resetOnDestroy: boolean;
  /** Seconds that a leaving master's clients have to go elsewhere. */
  readonly drainSeconds: number;
  /** What must be there before kubeadm runs anywhere: the forwards, or HAProxy as a service. */
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
  const first = bootstrapHead(args, headTickets(args.hosts, args.dependsOn));
  const masters = joinMembers(args, first, []);
  const dependsOn = live.flatMap(({ name }) => masters.get(name) ?? []);
  return { masters, kubeconfig: adminKubeconfig(args.hosts, dependsOn) };
}

/** The first host that is not lost. */
export function headOf(hosts: readonly Host[]): Host {
  const head = hosts.find((host) => !host.lost);
  if (head === undefined) throw new Error("kubeadm: no host that is not lost");
  return head;
}

/** Tickets for the head from all the others. */
export function headTickets(
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): remote.Command[] {
  const head = headOf(hosts);
  const tickets: remote.Command[] = [];
  for (const helper of hosts.filter((host) => host !== head && !host.lost)) {
    tickets.push(ticket(head, helper, [...dependsOn, ...tickets]));
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
  const head = headOf(hosts);
  const script = pulumi.all(tickets.map(({ stdout }) => stdout)).apply((lines) =>
    caScript({
      settings,
      node: { name: head.name, address: head.address },
      others: nodesOf(hosts.filter((host) => host !== head && !host.lost)),
      tickets: lines,
      generation: head.generation,
    }),
  );
  const made = head.run(
    "ca",
    { script, removes: true, secret: true },
    { dependsOn: [...dependsOn, ...tickets] },
  );
  // a certificate is public, only the script's input is not
  return { certificate: pulumi.unsecret(made.stdout), made };
}

/** Makes the head a master: of a new cluster, or of that whose ticket it has. */
export function bootstrapHead(
  args: KubeadmClusterArgs,
  tickets: readonly remote.Command[],
): remote.Command {
  return bootstrap(args, { host: headOf(args.hosts), tickets, dependsOn: args.dependsOn });
}

/** Makes the others masters, one after the other. By name, the head among them. */
export function joinMembers(
  args: KubeadmClusterArgs,
  first: remote.Command,
  dependsOn: readonly pulumi.Resource[],
): Map<string, remote.Command> {
  const head = headOf(args.hosts);
  const masters = new Map([[head.name, first]]);
  for (const host of args.hosts.filter((each) => each !== head && !each.lost)) {
    const before = [...args.dependsOn, ...dependsOn, ...masters.values()];
    const tickets = [ticket(host, head, before)];
    masters.set(host.name, bootstrap(args, { host, tickets, dependsOn: before }));
  }
  for (const host of args.hosts.filter(({ lost }) => lost)) {
    masters.set(host.name, bootstrap(args, { host, tickets: [], dependsOn: args.dependsOn }));
  }
  return masters;
}

/** The administrator's kubeconfig from the head. SECRET */
export function adminKubeconfig(
  hosts: readonly Host[],
  dependsOn: readonly pulumi.Resource[],
): pulumi.Output<string> {
  const script = kubeconfigScript();
  const admin = headOf(hosts).run("kubeconfig", { script, secret: true }, { dependsOn });
  return pulumi.secret(admin.stdout);
}

function nodesOf(hosts: readonly Host[]) {
  return hosts.map(({ name, address }) => ({ name, address }));
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
      head: host === headOf(args.hosts),
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
