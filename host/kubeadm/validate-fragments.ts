import type { KubeadmFragments } from "./kubeadm-settings";

/** A key that a fragment must not hold. */
export interface FragmentError {
  /** Path from the fragments' root, e.g. `clusterConfiguration.controlPlaneEndpoint`. */
  readonly path: string;
  /** What to do instead. */
  readonly message: string;
}

const ON_THE_HOST = "is created on the host for each join: leave it out";

/** Keys that the program owns, by path from the fragments' root. */
const OWNED: Readonly<Record<string, string>> = {
  "clusterConfiguration.controlPlaneEndpoint": "comes from the setting endpoint: set it there",
  "clusterConfiguration.kubernetesVersion":
    "comes from the setting kubeadm.kubernetesVersion: set it there",
  "clusterConfiguration.clusterName": "comes from the setting clusterName: set it there",
  "clusterConfiguration.certificatesDir": "is not supported: only /etc/kubernetes/pki is",
  "clusterConfiguration.etcd.external":
    "is not supported: each control-plane node runs an etcd member of its own",
  "clusterConfiguration.etcd.local.dataDir": "is not supported: only /var/lib/etcd is",
  "initConfiguration.localAPIEndpoint": "comes from the node's address and ports.api",
  "initConfiguration.certificateKey": ON_THE_HOST,
  "initConfiguration.bootstrapTokens": ON_THE_HOST,
  "initConfiguration.nodeRegistration.name": "is the node's name in nodes",
  "initConfiguration.dryRun": "would create no cluster: leave it out",
  "joinConfiguration.discovery": ON_THE_HOST,
  "joinConfiguration.controlPlane.localAPIEndpoint": "comes from the node's address and ports.api",
  "joinConfiguration.controlPlane.certificateKey": ON_THE_HOST,
  "joinConfiguration.nodeRegistration.name": "is the node's name in nodes",
  "joinConfiguration.dryRun": "would create no cluster: leave it out",
};

const KUBEADM = "kubeadm.k8s.io/v1beta4";

/** The document of each fragment: a fragment may name it, and no other. */
const KINDS: Readonly<Record<string, { apiVersion: string; kind: string }>> = {
  clusterConfiguration: { apiVersion: KUBEADM, kind: "ClusterConfiguration" },
  initConfiguration: { apiVersion: KUBEADM, kind: "InitConfiguration" },
  joinConfiguration: { apiVersion: KUBEADM, kind: "JoinConfiguration" },
  kubeletConfiguration: {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
  },
  kubeProxyConfiguration: {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
  },
};

function valueAt(root: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null
          ? (value as Record<string, unknown>)[key]
          : undefined,
      root,
    );
}

/** Lists of `{name, value}`: until v1beta3 kubeadm took maps, and its decoder refuses those now. */
const ARGUMENTS: ReadonlySet<string> = new Set(["extraArgs", "kubeletExtraArgs"]);

/** Lists of names in certificates. */
const SANS: ReadonlySet<string> = new Set(["certSANs", "serverCertSANs", "peerCertSANs"]);

/** Values of the wrong shape, at any depth; kubeadm would refuse them when hosts are changed. */
function wrongShapes(value: unknown, path: string): FragmentError[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]: [string, unknown]) => {
    const at = path === "" ? key : `${path}.${key}`;
    if (ARGUMENTS.has(key) && !isArgumentList(each)) {
      const message =
        'expected a list of {name, value} since v1beta4, like [{ "name": "v", "value": "4" }]';
      return [{ path: at, message }];
    }
    if (SANS.has(key) && !isTextList(each)) {
      return [{ path: at, message: "expected a list of addresses and DNS names" }];
    }
    return wrongShapes(each, at);
  });
}

function isArgumentList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((each: unknown) => {
      const { name, value: text } = (each ?? {}) as { name?: unknown; value?: unknown };
      return typeof name === "string" && typeof text === "string";
    })
  );
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/**
 * The keys that a fragment holds and the program owns, and values of a shape that kubeadm refuses,
 * each with what to do instead.
 */
export function validateFragments(fragments: KubeadmFragments): FragmentError[] {
  const owned = Object.entries(OWNED).filter(([path]) => valueAt(fragments, path) !== undefined);
  const kinds = Object.entries(KINDS).flatMap(([name, expected]) =>
    Object.entries(expected).map(([key, value]): [string, string] => [`${name}.${key}`, value]),
  );
  const foreign = kinds.filter(([path, expected]) => {
    const value = valueAt(fragments, path);
    return value !== undefined && value !== expected;
  });
  // kubelet's and kube-proxy's documents have shapes of their own
  const { clusterConfiguration, initConfiguration, joinConfiguration } = fragments;
  return [
    ...owned.map(([path, message]) => ({ path, message })),
    ...wrongShapes({ clusterConfiguration, initConfiguration, joinConfiguration }, ""),
    ...foreign.map(([path, expected]) => ({
      path,
      message: `got ${JSON.stringify(valueAt(fragments, path))}, expected ${JSON.stringify(expected)}`,
    })),
  ];
}
