import * as pulumi from "@pulumi/pulumi";
import { changedInitSettings } from "../../host/kubeadm/init-settings";

/**
 * Refuses a change of what kubeadm has read when it made the cluster: `up` would be green, and no
 * certificate and no node would have it. In previews too, unless the script is not known yet.
 *
 * @param host name of the host: each has its own hook
 */
export function keepInitSettings(host: string): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    `keep-init-settings-${host}`,
    async ({ oldInputs, newInputs }) => {
      const [before, after] = await Promise.all([textOf(oldInputs), textOf(newInputs)]);
      const keys = changedInitSettings(before, after);
      if (keys.length > 0) throw new Error(refusal(keys));
    },
    { onDryRun: true },
  );
}

/** The script, which is secret; empty while it is unknown. */
async function textOf(inputs: unknown): Promise<string> {
  const { stdin } = (inputs ?? {}) as { stdin?: unknown };
  if (typeof stdin === "string") return stdin;
  if (!pulumi.Output.isInstance(stdin)) return "";
  return new Promise((resolve) => {
    const known = (stdin as pulumi.Output<unknown> & { isKnown: Promise<boolean> }).isKnown;
    void known.then((isKnown) => {
      if (!isKnown) resolve("");
      else stdin.apply((text) => resolve(typeof text === "string" ? text : ""));
    });
  });
}

function refusal(keys: readonly string[]): string {
  return `${keys.join(", ")} changed, but kubeadm reads ${keys.length > 1 ? "them" : "it"} only when it makes the cluster: no certificate and no node would have the change; nothing was changed. Set it back; to change the cluster itself see "Change kubeadm's settings" in docs/operations.md`;
}
