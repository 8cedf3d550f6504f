/** Name of the part that makes a host a control-plane node. */
export const BOOTSTRAP_PART = "bootstrap";

/** A control-plane node. */
export interface ClusterNode {
  /** Name of the Node object: kubeadm registers the host under it. */
  readonly name: string;
  /** Address inside the cluster: the API server advertises it, kubelet registers it (`node-ip`). */
  readonly address: string;
}

/** A user's part of a kubeadm or component configuration document, as in YAML. */
export type Fragment = Readonly<Record<string, unknown>>;

/**
 * Users' parts of kubeadm's documents, merged over ours; `validateFragments` refuses what we own.
 */
export interface KubeadmFragments {
  readonly clusterConfiguration?: object;
  readonly initConfiguration?: object;
  readonly joinConfiguration?: object;
  readonly kubeletConfiguration?: object;
  readonly kubeProxyConfiguration?: object;
}

/** Settings of the cluster. What is left out is kubeadm's own default. */
export interface KubeadmSettings {
  /**
   * Version of the control plane, e.g. `v1.35.4`.
   * @default that of the kubeadm on the init node (kubeadm itself would ask the internet)
   */
  readonly kubernetesVersion?: string;
  /** @default kubeadm's `kubernetes` */
  readonly clusterName?: string;
  /**
   * The control-plane endpoint for kubeadm: HOST:LB-PORT. Its further addresses stand in the
   * certificates of new API servers; a later change of them is the operator's.
   */
  readonly endpoint: {
    readonly host: string;
    readonly port: number;
    /** @default none */
    readonly addresses?: readonly string[];
  };
  /** Port of the API servers. */
  readonly apiPort: number;
  /** Further names and addresses in the API servers' certificates. */
  readonly certSANs: readonly string[];
  /** kubeadm's preflight checks whose errors become warnings, for init and join. */
  readonly ignorePreflightErrors: readonly string[];
  /** Phases that `kubeadm init` skips, e.g. `addon/kube-proxy`; join skips its fragment's. */
  readonly skipPhases: readonly string[];
  readonly fragments: KubeadmFragments;
}
