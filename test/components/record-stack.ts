import { daemonsetStack, type StackOutputs } from "../../stacks/daemonset";
import { recordResources, type Recording } from "../../pulumi-test-utils/src/index";
import { read } from "../unit/stacks/example";

export const COMMAND = "command:remote:Command";

/** What the scripts on the hosts print: no host is there. */
function outputs(type: string, name: string): Record<string, unknown> {
  if (type !== COMMAND) return {};
  if (name.includes("-ticket-from-")) return { stdout: "absent" };
  if (name.endsWith("-kubeconfig")) return { stdout: KUBECONFIG };
  return {};
}

export const KUBECONFIG = "apiVersion: v1\nkind: Config # of the head\n";

/** The resources of the whole stack, from the example's settings with these changes. */
export function recordStack(
  changes: Record<string, unknown> = {},
  options: { readonly preview?: boolean } = {},
): Promise<Recording<StackOutputs>> {
  return recordResources(() => Promise.resolve(daemonsetStack(read(changes))), {
    stack: "dev",
    project: "control-plane-lb",
    outputs,
    ...options,
  });
}
