import * as pulumi from "@pulumi/pulumi";
import type { Topology } from "./schema";

/**
 * Keeps the topology in the stack's state, and refuses another one, in previews too. One `up`
 * cannot move a stack: the engine creates the new resources before it deletes the old ones, and
 * both need the LB port of the same host. On other hosts, the endpoint's name would have to move in
 * between. A destroyed stack is free again.
 *
 * @param checked the preflights: until they pass, a stack may still change its topology
 * @returns a resource that comes before everything that changes a host
 */
export function keepTopology(
  topology: Topology,
  checked: readonly pulumi.Resource[],
): pulumi.Resource {
  const refuse = new pulumi.ResourceHook(
    "keep-topology",
    ({ oldInputs, newInputs }) => {
      const [former, next] = [oldInputs?.["input"] as unknown, newInputs?.["input"] as unknown];
      if (former !== next) throw new Error(refusal(String(former), String(next)));
    },
    { onDryRun: true },
  );
  return new pulumi.Stash(
    "topology",
    { input: topology },
    { dependsOn: [...checked], hooks: { beforeUpdate: [refuse] } },
  );
}

/** The message for an operator after a change of `topology`. */
export function refusal(former: string, next: string): string {
  return `this stack was made with topology ${former}, and the configuration says ${next}; nothing was changed. Set it back to ${former}. Or run pulumi destroy (HAProxy goes; the cluster stays, unless kubeadm.resetOnDestroy is true), then pulumi up: in between the endpoint is down. For a way without a gap see "Change the topology" in docs/operations.md`;
}
