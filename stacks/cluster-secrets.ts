import * as pulumi from "@pulumi/pulumi";
import type { SharedKeys } from "../host/kubeadm/shared-keys";
import { newClusterSecrets } from "./new-cluster-secrets";

/** What user data holds of a cluster before the cluster exists. SECRET */
export interface ClusterSecrets extends SharedKeys {
  /** Bootstrap token with which control-plane nodes join. */
  readonly joinToken: string;
  /** Bootstrap token of dedicated load-balancer hosts: it may read the backends, and no more. */
  readonly loadBalancerToken: string;
}

/**
 * The cluster's secrets, made once and kept in the stack's state as secrets. Another `up` makes no
 * others; `pulumi destroy` forgets them, and the next `up` is of a new cluster.
 */
export function keepClusterSecrets(
  options: pulumi.CustomResourceOptions = {},
): pulumi.Output<ClusterSecrets> {
  const kept = new pulumi.Stash(
    "cluster-secrets",
    { input: pulumi.secret(newClusterSecrets()) },
    // the output is the first input for ever; without this each run would show a change
    { ...options, ignoreChanges: ["input"], additionalSecretOutputs: ["input", "output"] },
  );
  return pulumi.secret(kept.output as pulumi.Output<ClusterSecrets>);
}
