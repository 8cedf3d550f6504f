import * as pulumi from "@pulumi/pulumi";
import { clusterApiStack } from "./cluster-api";
import { cloudInitStack } from "./cloud-init";
import { daemonsetStack } from "./daemonset";
import { externalStack } from "./external";
import { ConfigurationError, type Settings } from "./settings";
import { settingsFromConfig } from "./read-config";
import { OF_THIS_PROCESS } from "./ssh-targets";

/**
 * The whole program: reads the stack's configuration, builds the topology, returns the stack's
 * outputs. It can run again and again in one process.
 *
 * @throws pulumi.RunError with all errors of the configuration, before any resource is registered
 */
export function program(): Promise<Record<string, unknown>> {
  return Promise.resolve().then(() => {
    const settings = settingsOfStack();
    if (settings.bootstrap === "cloudInit") return { ...cloudInitStack(settings) };
    const { clusterApi } = settings;
    if (clusterApi !== undefined) return { ...clusterApiStack(settings, clusterApi) };
    switch (settings.topology) {
      case "daemonset":
        return { ...daemonsetStack(settings) };
      case "external":
        return { ...externalStack(settings) };
    }
  });
}

function withoutCredentials(reason: string): void {
  void pulumi.log.warn(`${reason}; the preview does not need it, \`pulumi up\` does`);
}

function settingsOfStack(): Settings {
  try {
    return settingsFromConfig(pulumi.runtime.allConfig(), pulumi.getProject(), {
      ...OF_THIS_PROCESS,
      ...(pulumi.runtime.isDryRun() ? { withoutCredentials } : {}),
    });
  } catch (error) {
    // the operator needs the list of errors, not a stack trace
    if (error instanceof ConfigurationError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
