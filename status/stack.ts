import type { Settings } from "../stacks/settings";
import { settingsFromConfig } from "../stacks/read-config";
import { openStack, type Environment } from "../stacks/workspace";

const PROJECT = "control-plane-lb";

/** What status needs to know of a stack. */
export interface StackState {
  readonly settings: Settings;
  /** When the administrator's kubeconfig expires; undefined: unknown, or never. */
  readonly kubeconfigExpires?: Date;
}

/**
 * Reads a stack's settings and outputs by the Pulumi CLI.
 *
 * @param environment variables beside those of this process
 *
 * @throws when the CLI does not start, the stack does not exist or its settings are invalid
 */
export async function readStack(stack: string, environment: Environment = {}): Promise<StackState> {
  const opened = await openStack(stack, environment);
  const settings = settingsFromConfig(await opened.config(), PROJECT);
  // without outputs, the state of the hosts is still worth showing
  const outputs = await opened.outputs().catch(() => undefined);
  const expires = Date.parse(String(outputs?.["kubeconfigExpires"]));
  return { settings, ...(isNaN(expires) ? {} : { kubeconfigExpires: new Date(expires) }) };
}
