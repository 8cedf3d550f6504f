import type { ClusterNode, KubeadmSettings } from "./settings";

/** What {@link bootstrapScript} is made from. */
export interface BootstrapOptions {
  readonly settings: KubeadmSettings;
  readonly node: ClusterNode;
  /** The other masters of the configuration. */
  readonly others: readonly ClusterNode[];
  /** May this host make the cluster when there is none? True for one node only. */
  readonly head: boolean;
  /** Lines printed by `ticketScript` on other masters; SECRET. `""` and `"absent"` mean that the master had no cluster. */
  readonly tickets: readonly string[];
  /** Raised by the operator for a host that was made anew: the text changes, so `up` runs it again. */
  readonly generation: number;
  /** Runs `kubeadm reset` when the whole configuration is destroyed. */
  readonly resetOnRemove: boolean;
  /** Seconds that a leaving master waits after its key is out, for the load balancers and their clients. @default 10 */
  readonly drainSeconds?: number;
}

/** The script that makes a host a master (`apply`) and takes it out again (`remove`). Holds the tickets: SECRET as a whole. */
export function bootstrapScript(options: BootstrapOptions): string {
  throw new Error(`not there yet: ${options.node.name}`);
}
