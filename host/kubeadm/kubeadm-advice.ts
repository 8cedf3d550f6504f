/**
 * What operators do next: how depends on what runs the scripts. Each is an imperative clause
 * without a full stop, and becomes the end of a message.
 */
export interface KubeadmAdvice {
  /** Has join credentials issued for this host again, and its bootstrap run again. */
  readonly joinCredentials: string;
  /** Keeps a node ("it") that belongs to another cluster out of this one. */
  readonly excludeNode: string;
  /** Writes the annotation of the backends' ConfigMap ("it") that lists the control-plane nodes. */
  readonly restoreBackends: string;
  /** Gives the former cluster up on purpose, and makes a new one. */
  readonly newCluster: string;
  /** Ends the cluster on purpose, so that its last node may go. */
  readonly endCluster: string;
}

/** For hosts that nothing but their own user data has prepared. */
export const DEFAULT_ADVICE: KubeadmAdvice = {
  joinCredentials:
    "request join credentials from a control-plane node that serves, and run this script again with them",
  excludeNode: "do not run this script on it",
  restoreBackends: "annotate it with the names of all control-plane nodes, as a JSON list",
  newCluster: "remove everything of the former cluster from all hosts, then start again",
  endCluster: "delete the ConfigMap of the backends, then remove this node",
};
