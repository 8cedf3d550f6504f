import type { StackOutputs } from "../../stacks/shared";
import { daemonsetStack } from "../../stacks/daemonset";
import { externalStack } from "../../stacks/external";
import { recordResources, type Recording } from "../../pulumi-test-utils/src/index";
import { hostPort } from "../../haproxy/address";
import { kubeconfig } from "../support/certificates";
import { read } from "../unit/stacks/example";

export const COMMAND = "command:remote:Command";

const SECRET = "kubernetes:core/v1:Secret";

/** What the host scripts print; no host runs them here. */
function outputs(type: string, name: string, kubeconfig: string): Record<string, unknown> {
  if (type === SECRET) return { data: { token: Buffer.from(TOKEN).toString("base64") } };
  if (type !== COMMAND) return {};
  if (name.includes("-join-credentials-from/")) return { stdout: "absent 1700000000" };
  if (name.endsWith("-kubeconfig")) return { stdout: kubeconfig };
  if (name.endsWith("-kubeconfig-renewed")) return { stdout: "" };
  if (name.endsWith("-ca")) return { stdout: CA };
  return {};
}

export const CA = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
export const TOKEN = "header.claims-of-the-updater.signature";

interface RecordOptions {
  readonly preview?: boolean;
  /** For how long the administrator's certificate is valid. */
  readonly kubeconfigDays?: number;
}

/** The resources of the whole stack, from the example's settings with these changes. */
export function recordStack(
  changes: Record<string, unknown> = {},
  { kubeconfigDays = 365, ...options }: RecordOptions = {},
): Promise<Recording<StackOutputs>> {
  const settings = read(changes);
  const { host, port } = settings.endpoint;
  const printed = kubeconfig(`https://${hostPort(host, port)}`, "admin", kubeconfigDays);
  const stack = settings.topology === "external" ? externalStack : daemonsetStack;
  return recordResources(() => Promise.resolve(stack(settings)), {
    stack: "dev",
    project: "control-plane-lb",
    outputs: (type, name) => outputs(type, name, printed),
    ...options,
  });
}
