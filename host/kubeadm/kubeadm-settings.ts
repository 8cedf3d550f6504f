/** A control-plane node as the scripts see it. */
export interface ClusterNode {
  /** Name of the Node object; kubeadm registers the host by it. */
  readonly name: string;
  /** Address of the host inside the cluster: the API server advertises it, the kubelet registers it (`node-ip`). */
  readonly address: string;
}

/** A user's part of a kubeadm or component configuration document, as in YAML. */
export type Fragment = Readonly<Record<string, unknown>>;

/** Users' own parts of kubeadm's documents: merged over ours, see {@link fragmentMistakes} for what they may not hold. */
export interface KubeadmFragments {
  readonly clusterConfiguration?: object;
  readonly initConfiguration?: object;
  readonly joinConfiguration?: object;
  readonly kubeletConfiguration?: object;
  readonly kubeProxyConfiguration?: object;
}

/** What the cluster is made with. Every value that is left out is kubeadm's own default. */
export interface KubeadmSettings {
  /** Version of the control plane, e.g. `v1.35.4`. @default the version of the kubeadm on the first host (kubeadm itself would ask the internet) */
  readonly kubernetesVersion?: string;
  /** @default kubeadm's `kubernetes` */
  readonly clusterName?: string;
  /** The control-plane endpoint that kubeadm is given: HOST:LB-PORT. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Port of the API servers. */
  readonly apiPort: number;
  /** Further names and addresses in the API servers' certificates. */
  readonly certSANs: readonly string[];
  /** Preflight checks of kubeadm whose errors become warnings, for init and join. */
  readonly ignorePreflightErrors: readonly string[];
  /** Phases of `kubeadm init` to leave out, e.g. `addon/kube-proxy`; those of join stand in `fragments.joinConfiguration.skipPhases`. */
  readonly skipPhases: readonly string[];
  readonly fragments: KubeadmFragments;
}
