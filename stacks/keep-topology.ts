import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "./settings";

type Topology = Settings["topology"];

/**
 * Keeps the topology in the stack's state, and refuses another one, in previews too. One `up` cannot move a stack: the engine makes the new
 * before it takes the old away, and the two cannot share the LB port of a host; with HAProxy on other hosts, the endpoint's name would have to
 * move in between. A stack that was destroyed is free again.
 *
 * @param checked the preflights: what has changed nothing yet may still change its topology
 * @returns whatever changes a host comes after it
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

/** What an operator reads who has changed the topology of a stack. */
export function refusal(former: string, next: string): string {
  return `this stack was made with topology ${former}, and the configuration says ${next}; nothing was changed. Set it back to ${former}. Or run pulumi destroy (HAProxy goes; the cluster stays, unless kubeadm.resetOnDestroy is true), then pulumi up: in between nobody serves the endpoint. For a way without a gap see "Change the topology" in docs/operations.md`;
}
