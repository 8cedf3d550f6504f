import { z } from "zod";
import { hostPort } from "../haproxy/address";
import type { NodeSettings, Settings } from "./settings";

/** A machine as the stack last knew it. */
interface Machine {
  readonly address: string;
  readonly lost: boolean;
}

/** What one `up` cannot change: kept in the stack's state. */
export interface Identity {
  readonly topology: string;
  readonly bootstrap: string;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Undefined: none. */
  readonly virtualIp?: string;
  readonly apiPort: number;
  readonly resetOnDestroy: boolean;
  /** By their path in the configuration, like `nodes.m1`. */
  readonly machines: Readonly<Record<string, Machine>>;
}

const machine = z.object({ address: z.string(), lost: z.boolean() });

/** A field that cannot be read counts as unknown: other versions keep other fields. */
const known = <T extends z.ZodType>(type: T) => type.optional().catch(undefined);

const kept = z.object({
  topology: known(z.string()),
  bootstrap: known(z.string()),
  endpoint: known(z.object({ host: z.string(), port: z.number() })),
  virtualIp: known(z.string()),
  apiPort: known(z.number()),
  resetOnDestroy: known(z.boolean()),
  machines: known(z.record(z.string(), machine)),
});

type Former = z.output<typeof kept>;

/** The identity of a stack with these settings. */
export function identityOf(settings: Settings): Identity {
  const { topology, bootstrap, endpoint, virtualIp, ports, kubeadm, nodes, loadBalancers } =
    settings;
  const of = (key: string, list: readonly NodeSettings[]) =>
    list.map(({ name, address, lost }) => [`${key}.${name}`, { address, lost }] as const);
  return {
    topology,
    bootstrap,
    endpoint: { host: endpoint.host, port: endpoint.port },
    ...(virtualIp === undefined ? {} : { virtualIp: virtualIp.address }),
    apiPort: ports.api,
    resetOnDestroy: bootstrap === "kubeadm" && kubeadm.resetOnDestroy,
    machines: Object.fromEntries([...of("nodes", nodes), ...of("loadBalancers", loadBalancers)]),
  };
}

/**
 * Why one `up` cannot make the one stack of the other: a message each, with the way to go. Empty:
 * it can.
 *
 * @param before what the state holds; the oldest versions kept the topology alone, as a text
 */
export function refusals(before: unknown, next: Identity): string[] {
  const read = kept.safeParse(typeof before === "string" ? { topology: before } : before);
  const former = read.data ?? {};
  return [
    ...topologyRefusals(former, next),
    ...endpointRefusals(former, next),
    ...virtualIpRefusals(former, next),
    ...bootstrapRefusals(former, next),
    ...machineRefusals(former, next),
  ];
}

/** The way of every change for which HAProxy may be away for a while. */
const DESTROY_FIRST =
  "run pulumi destroy (HAProxy goes; the cluster stays, unless kubeadm.resetOnDestroy is true), then pulumi up: in between the endpoint is down";

function topologyRefusals(former: Former, next: Identity): string[] {
  if (former.topology === undefined || former.topology === next.topology) return [];
  return [
    `this stack was made with topology ${former.topology}, and the configuration says ${next.topology}; nothing was changed. Set it back to ${former.topology}. Or ${DESTROY_FIRST}. For a way without a gap see "Change the topology" in docs/operations.md`,
  ];
}

function endpointRefusals(former: Former, next: Identity): string[] {
  const changed: [string, string | number, string | number][] = [];
  if (former.endpoint !== undefined) {
    const [before, now] = [former.endpoint, next.endpoint];
    // a cluster that exists has its endpoint in its own files, whatever the configuration says
    if (next.bootstrap === "kubeadm") changed.push(["endpoint.host", before.host, now.host]);
    changed.push(["endpoint.port", before.port, now.port]);
  }
  if (former.apiPort !== undefined) changed.push(["ports.api", former.apiPort, next.apiPort]);
  const current = former.endpoint && hostPort(former.endpoint.host, former.endpoint.port);
  return changed
    .filter(([, before, now]) => before !== now)
    .map(
      ([key, before, now]) =>
        `${key} was ${before}, and the configuration says ${now}; nothing was changed. The certificates and kubeconfigs of the cluster hold it${current === undefined ? "" : `, and all clients use ${current}`}: set it back to ${before}, or follow "Change the endpoint or a port" in docs/operations.md`,
    );
}

/** Without one, the endpoint's own checks say what is missing. */
function virtualIpRefusals(former: Former, next: Identity): string[] {
  const [before, now] = [former.virtualIp, next.virtualIp];
  if (before === undefined || now === undefined || now === before) return [];
  return [
    `virtualIp.address was ${before}, and the configuration says ${now}; nothing was changed. Clients and certificates use ${before}: set it back, or follow "Change the address" in docs/virtual-ip.md`,
  ];
}

function bootstrapRefusals(former: Former, next: Identity): string[] {
  if (former.bootstrap !== "kubeadm") return [];
  if (next.bootstrap === "kubeadm") {
    const [before, now] = [former.machines ?? {}, next.machines];
    const names = Object.keys(before).filter((path) => path.startsWith("nodes."));
    const stays = names.some((path) => now[path] !== undefined && !now[path].lost);
    if (names.length === 0 || stays) return [];
    return [
      `no former control-plane node stays (they were ${names.join(", ")}), so nobody could issue join credentials; nothing was changed. Add the new nodes, run pulumi up, then remove the former ones. If the former ones are all gone: see "All control-plane nodes are gone" in docs/operations.md`,
    ];
  }
  if (former.resetOnDestroy !== true) return [];
  return [
    `bootstrap was kubeadm with kubeadm.resetOnDestroy true, and the configuration says ${next.bootstrap}: the control-plane nodes would leave this stack, and the stack would reset them; nothing was changed. Set kubeadm.resetOnDestroy to false with bootstrap kubeadm, run pulumi up, then set bootstrap to ${next.bootstrap}`,
  ];
}

function machineRefusals(former: Former, next: Identity): string[] {
  // nothing runs any more on a machine that was lost
  const before = Object.entries(former.machines ?? {}).filter(([, { lost }]) => !lost);
  return before.flatMap(([path, { address }]) => {
    const now = next.machines[path];
    const [kind] = path.split(".");
    if (now === undefined) {
      const other = Object.entries(next.machines).find(([, each]) => each.address === address);
      // hosts keep their parts through a rename; what kubeadm has made would leave its cluster
      const byKubeadm = [former.bootstrap, next.bootstrap].includes("kubeadm");
      const mayChange = kind === "loadBalancers" || !byKubeadm;
      const sameKind = other?.[0].startsWith(`${kind}.`);
      if (other === undefined || (mayChange && sameKind)) return [];
      const why = sameKind
        ? "A control-plane node of kubeadm has its name for good"
        : "Its former parts must go before it gets others";
      return [
        `${other[0]} has the address ${address} of ${path}: one machine under another name; nothing was changed. ${why}. Remove ${path}, run pulumi up, add ${other[0]}, run pulumi up`,
      ];
    }
    // the nodes of a cluster that exists are its own affair
    const ours = next.bootstrap === "kubeadm" || kind === "loadBalancers";
    if (now.address === address || !ours) return [];
    return [
      `${path}.address was ${address}, and the configuration says ${now.address}; nothing was changed. The former machine would stay as it is, ${kind === "nodes" ? "a member of the cluster" : "with HAProxy"}. Set it back, or remove ${path}, run pulumi up, add it with the new address, run pulumi up (or add it under another name first)`,
    ];
  });
}
