import { canonicalAddress } from "../haproxy/address";
import { familyOf, holds } from "./networks";
import { MAX_BACKENDS } from "../haproxy/model";
import { validateFragments } from "../host/kubeadm/validate-fragments";
import { FIRST_UNPRIVILEGED_PORT } from "../names";
import { formatDuration } from "./duration";
import { missingRoot } from "../haproxy/ca";
import { caOfKubeconfig } from "../host/kubeadm/kubeconfig";
import { endpointConflicts } from "./endpoint-conflicts";
import type { ValidationError } from "./validation";
import type { Parsed } from "./schema";
import { unusedByTopology } from "./unused-keys";
import { virtualIpConflicts } from "./virtual-ip-conflicts";

/** The keys that could be read, and the nodes that could. */
type Known = Partial<Parsed> & Pick<Parsed, "nodes" | "loadBalancers">;

/**
 * Contradictions between the keys of the configuration. A key that is missing here already has an
 * error.
 */
export function conflicts(settings: Known): ValidationError[] {
  return [
    ...portConflicts(settings),
    ...endpointConflicts(settings),
    ...virtualIpConflicts(settings),
    ...podPortConflicts(settings),
    ...nodeConflicts(settings),
    ...allowConflicts(settings),
    ...bootstrapConflicts(settings),
    ...ownAddressConflicts(settings),
    ...updaterConflicts(settings),
    ...haproxyConflicts(settings),
    ...topologyConflicts(settings),
    ...unusedByTopology(settings),
  ];
}

/**
 * Ports of a control-plane node:
 * https://kubernetes.io/docs/reference/networking/ports-and-protocols/
 */
const TAKEN: Readonly<Record<number, string>> = {
  2379: "etcd",
  2380: "etcd",
  2381: "etcd's metrics",
  10248: "the kubelet's health",
  10249: "kube-proxy's metrics",
  10250: "the kubelet",
  10256: "kube-proxy's health",
  10257: "kube-controller-manager",
  10259: "kube-scheduler",
};

function portConflicts({ topology, endpoint, ports, loadBalancers }: Known): ValidationError[] {
  const endpointPort = ["endpoint.port", endpoint?.port] as const;
  const api = ["ports.api", ports?.api] as const;
  const health = ["ports.health", ports?.health] as const;
  const dedicated = topology === "external" && Object.keys(loadBalancers).length > 0;
  const all = [endpointPort, api, health];
  return dedicated
    ? [...portsTaken([api]), ...duplicatePorts([endpointPort, health])]
    : [...portsTaken(all), ...duplicatePorts(all)];
}

type PortSetting = readonly [path: string, port: number | undefined];

/** Ports of one set of machines that are equal. */
function duplicatePorts(settings: readonly PortSetting[]): ValidationError[] {
  return settings.flatMap(([path, port], index) => {
    const same = settings.slice(0, index).find(([, other]) => other === port);
    if (port === undefined || same === undefined) return [];
    return [{ path, message: `${port} is ${same[0]} already: each needs its own` }];
  });
}

/** Ports of control-plane nodes that Kubernetes or etcd use there. */
function portsTaken(settings: readonly PortSetting[]): ValidationError[] {
  return settings.flatMap(([path, port]) => {
    const holder = port === undefined ? undefined : TAKEN[port];
    if (holder === undefined) return [];
    return [{ path, message: `${port} is the port of ${holder} on every control-plane node` }];
  });
}

/** Kubernetes gives capabilities to root alone, and the pods are not root's. */
function podPortConflicts({ topology, endpoint, ports }: Known): ValidationError[] {
  if (topology !== "daemonset") return [];
  const all = [
    ["endpoint.port", endpoint?.port],
    ["ports.health", ports?.health],
  ] as const;
  return all.flatMap(([path, port]) => {
    if (port === undefined || port >= FIRST_UNPRIVILEGED_PORT) return [];
    const message = `${port} is below ${FIRST_UNPRIVILEGED_PORT}, where pods without root cannot listen: choose a higher one, or topology external`;
    return [{ path, message }];
  });
}

const MOST_NODES = 9;

/** Control-plane nodes and load-balancer hosts, by their paths in the configuration. */
function machinesOf({ nodes, loadBalancers }: Pick<Known, "nodes" | "loadBalancers">) {
  return [
    ...Object.entries(nodes).map(([name, node]) => [`nodes.${name}`, node] as const),
    ...Object.entries(loadBalancers).map(
      ([name, node]) => [`loadBalancers.${name}`, node] as const,
    ),
  ];
}

function nodeConflicts({ nodes, loadBalancers }: Known): ValidationError[] {
  const errors: ValidationError[] = [];
  const entries = Object.entries(nodes);
  const limit = Math.min(MOST_NODES, MAX_BACKENDS);
  if (entries.length > limit) {
    errors.push({
      path: "nodes",
      message: `got ${entries.length}, expected 1 to ${limit}`,
    });
  }
  if (entries.length > 0 && entries.every(([, node]) => node.lost || node.away)) {
    errors.push({
      path: "nodes",
      message:
        "all are lost or away: at least one must be reachable; if the whole site is gone, `pulumi stack rm --force --preserve-config` removes the stack (docs/operations.md)",
    });
  }
  for (const [path, { lost, away }] of machinesOf({ nodes, loadBalancers })) {
    if (!lost || !away) continue;
    const message = "is both lost and away: lost is gone for good, away comes back";
    errors.push({ path, message });
  }
  const addresses = new Map<string, string>();
  const hosts = new Map<string, string>();
  for (const [path, node] of machinesOf({ nodes, loadBalancers })) {
    const address = canonicalAddress(node.address);
    const other = addresses.get(address);
    if (other !== undefined) {
      const message = `${node.address} is ${other}.address already: one host is one node`;
      errors.push({ path: `${path}.address`, message });
    }
    addresses.set(address, other ?? path);
    if (node.sshHost === undefined) continue;
    const ssh = `${node.sshHost} port ${node.sshPort ?? "of ssh"}`;
    const holder = hosts.get(ssh);
    if (holder !== undefined) {
      const message = `${node.sshHost} is where ${holder} is reached already: one host is one node`;
      errors.push({ path: `${path}.sshHost`, message });
    }
    hosts.set(ssh, holder ?? path);
  }
  return errors;
}

function allowConflicts({ allow, nodes }: Known): ValidationError[] {
  if (allow === undefined || allow.length === 0) return [];
  return Object.entries(nodes)
    .filter(([, { address }]) => !allow.some((cidr) => holds(cidr, address)))
    .map(([name, { address }]) => ({
      path: "allow",
      message: `does not hold nodes.${name}.address ${address}: its kubelet and kubeadm use the endpoint; add ${address}/${familyOf(address) === "ipv4" ? 32 : 128} or its network`,
    }));
}

function bootstrapConflicts({
  bootstrap,
  kubeadm,
  kubeconfig,
  clusterName,
}: Known): ValidationError[] {
  if (bootstrap === "none") {
    const unused = Object.entries(kubeadm ?? {})
      .filter(([, value]) => !isUnset(value))
      .map(([key]) => `kubeadm.${key}`);
    if (clusterName !== undefined) unused.push("clusterName");
    return [
      ...(kubeconfig === undefined
        ? [
            {
              path: "kubeconfig",
              message:
                "missing: bootstrap none needs the kubeconfig of the cluster: run `pulumi config set --secret kubeconfig < FILE`",
            },
          ]
        : []),
      ...unused.map((path) => ({
        path,
        message: "has no effect with bootstrap none: leave it out",
      })),
    ];
  }
  return [
    ...(kubeconfig === undefined || bootstrap === undefined
      ? []
      : [
          {
            path: "kubeconfig",
            message:
              "set, but bootstrap kubeadm takes the kubeconfig from the init node: leave it out, or set bootstrap to none for a cluster that exists",
          },
        ]),
    ...validateFragments((kubeadm ?? {}) as Parameters<typeof validateFragments>[0]).map(
      ({ path, message }) => ({ path: `kubeadm.${path}`, message }),
    ),
  ];
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

function ownAddressConflicts({ ownAddress, nodes, loadBalancers }: Known): ValidationError[] {
  if (ownAddress === undefined) return [];
  const { interface: name, subnet } = ownAddress;
  if (name !== undefined && subnet !== undefined) {
    return [{ path: "ownAddress", message: "has interface and subnet: leave one of them out" }];
  }
  if (subnet === undefined) return [];
  return machinesOf({ nodes, loadBalancers })
    .filter(([, node]) => !holds(subnet, node.address))
    .map(([path, { address }]) => ({
      path: "ownAddress.subnet",
      message: `${subnet} does not hold ${path}.address ${address}`,
    }));
}

function haproxyConflicts({ haproxy }: Known): ValidationError[] {
  if (haproxy === undefined) return [];
  const { intervalMs, fastIntervalMs } = haproxy.checks;
  if (fastIntervalMs <= intervalMs) return [];
  return [
    {
      path: "haproxy.checks.fastInterval",
      message: `got ${formatDuration(fastIntervalMs)}, expected at most haproxy.checks.interval (${formatDuration(intervalMs)})`,
    },
  ];
}

function topologyConflicts({
  topology,
  bootstrap,
  nodes,
  loadBalancers,
  kubeconfig,
}: Known): ValidationError[] {
  if (topology !== "external") return [];
  const names = Object.keys(loadBalancers);
  const lost = Object.values(names.length > 0 ? loadBalancers : {}).every(
    (host) => host.lost || host.away,
  );
  const ca = kubeconfig === undefined ? undefined : caOfKubeconfig(kubeconfig);
  const noCa = bootstrap === "none" && kubeconfig !== undefined && ca === undefined;
  const noRoot = ca === undefined ? undefined : missingRoot(ca);
  return [
    ...names
      .filter((name) => name in nodes)
      .map((name) => ({
        path: `loadBalancers.${name}`,
        message: `is the name of a control-plane node too: each host needs its own (without loadBalancers, HAProxy runs on the control-plane nodes)`,
      })),
    ...(names.length > 0 && lost
      ? [{ path: "loadBalancers", message: "all are lost or away: at least one must be reachable" }]
      : []),
    ...(noRoot === undefined
      ? []
      : [{ path: "kubeconfig", message: `${noRoot} to certificate-authority-data` }]),
    ...(noCa
      ? [
          {
            path: "kubeconfig",
            message:
              "holds no certificate-authority-data: in topology external HAProxy needs the cluster's CA (`kubectl config view --flatten --raw --minify` writes it into the text)",
          },
        ]
      : []),
  ];
}

/** Settings that need an updater where there is none. */
function updaterConflicts({ topology, daemonset, discovery, haproxy }: Known): ValidationError[] {
  if (topology !== "daemonset" || daemonset?.variant !== "mounted") return [];
  const without = "daemonset.variant mounted has no updater";
  return [
    ...(discovery === undefined || discovery === "configMap"
      ? []
      : [{ path: "discovery", message: `${discovery} needs the updater: ${without}` }]),
    ...(haproxy?.checks.authentication === "token"
      ? [
          {
            path: "haproxy.checks.authentication",
            message: `token is the updater's: ${without}`,
          },
        ]
      : []),
  ];
}
