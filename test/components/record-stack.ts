import type { StackOutputs } from "../../stacks/shared";
import { daemonsetStack } from "../../stacks/daemonset";
import { externalStack } from "../../stacks/external";
import { recordResources, type Recording } from "../../pulumi-test-utils/src/index";
import { read } from "../unit/stacks/example";

export const COMMAND = "command:remote:Command";

const SECRET = "kubernetes:core/v1:Secret";

/** What the host scripts print; no host runs them here. */
function outputs(type: string, name: string): Record<string, unknown> {
  if (type === SECRET) return { data: { token: Buffer.from(TOKEN).toString("base64") } };
  if (type !== COMMAND) return {};
  if (name.includes("-join-credentials-from/")) return { stdout: "absent" };
  if (name.endsWith("-kubeconfig")) return { stdout: KUBECONFIG };
  if (name.endsWith("-ca")) return { stdout: CA };
  return {};
}

export const KUBECONFIG = "apiVersion: v1\nkind: Config # of the init node\n";

export const CA = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
export const TOKEN = "header.claims-of-the-updater.signature";

/** The resources of the whole stack, from the example's settings with these changes. */
export function recordStack(
  changes: Record<string, unknown> = {},
  options: { readonly preview?: boolean } = {},
): Promise<Recording<StackOutputs>> {
  const settings = read(changes);
  const stack = settings.topology === "external" ? externalStack : daemonsetStack;
  return recordResources(() => Promise.resolve(stack(settings)), {
    stack: "dev",
    project: "control-plane-lb",
    outputs,
    ...options,
  });
}
