import type { KubeadmFragments } from "./kubeadm-settings";

/** A key that a fragment may not hold. */
export interface FragmentError {
  /** Path from the fragments' root, e.g. `clusterConfiguration.controlPlaneEndpoint`. */
  readonly path: string;
  /** What to do instead. */
  readonly message: string;
}

const ON_THE_HOST = "is a secret that is made on the host for each join: leave it out";

/** Keys that the program owns, by path from the fragments' root. */
const OWNED: Readonly<Record<string, string>> = {
  "clusterConfiguration.controlPlaneEndpoint": "comes from the setting endpoint: set it there",
  "clusterConfiguration.kubernetesVersion":
    "comes from the setting kubeadm.kubernetesVersion: set it there",
  "clusterConfiguration.clusterName": "comes from the setting clusterName: set it there",
  "clusterConfiguration.certificatesDir":
    "is not supported: the program knows /etc/kubernetes/pki only",
  "clusterConfiguration.etcd.external":
    "is not supported: a master's etcd member comes and goes with the master",
  "clusterConfiguration.etcd.local.dataDir":
    "is not supported: the program knows /var/lib/etcd only",
  "initConfiguration.localAPIEndpoint": "comes from the node's address and ports.api",
  "initConfiguration.certificateKey": ON_THE_HOST,
  "initConfiguration.bootstrapTokens": ON_THE_HOST,
  "initConfiguration.nodeRegistration.name": "is the node's name in nodes",
  "initConfiguration.dryRun": "would make no cluster: leave it out",
  "joinConfiguration.discovery": ON_THE_HOST,
  "joinConfiguration.controlPlane.localAPIEndpoint": "comes from the node's address and ports.api",
  "joinConfiguration.controlPlane.certificateKey": ON_THE_HOST,
  "joinConfiguration.nodeRegistration.name": "is the node's name in nodes",
  "joinConfiguration.dryRun": "would make no cluster: leave it out",
};

const KUBEADM = "kubeadm.k8s.io/v1beta4";

/** What each fragment is: stating it is superfluous, stating anything else is a mistake. */
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

/** Every key in the fragments that the program must own, with what to do instead; empty when there is none. */
export function validateFragments(fragments: KubeadmFragments): FragmentError[] {
  const owned = Object.entries(OWNED).filter(([path]) => valueAt(fragments, path) !== undefined);
  const kinds = Object.entries(KINDS).flatMap(([name, expected]) =>
    Object.entries(expected).map(([key, value]): [string, string] => [`${name}.${key}`, value]),
  );
  const foreign = kinds.filter(([path, expected]) => {
    const value = valueAt(fragments, path);
    return value !== undefined && value !== expected;
  });
  return [
    ...owned.map(([path, message]) => ({ path, message })),
    ...foreign.map(([path, expected]) => ({
      path,
      message: `got ${JSON.stringify(valueAt(fragments, path))}, expected ${JSON.stringify(expected)}`,
    })),
  ];
}
