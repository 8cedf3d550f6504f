import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { NAMESPACE, POD_LABELS, PRODUCT, UPDATER_CONFIG_MAP, WORKLOAD } from "../../names";
import { componentType } from "../types";
import { podSpec, type PodArgs } from "./pod";
import { UPDATER_SCRIPT, UPDATER_SETTINGS, updaterSettings } from "./updater-config";

/** HAProxy with its updater on every master. */
export interface HaproxyDaemonSetArgs extends PodArgs {
  /** The updater's script. */
  readonly updaterScript: string;
  /** What must be there before the first pod: its rights, and the backends to start with. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * HAProxy in host network on all masters, the updater beside it, and the ConfigMap with the updater's script and settings.
 *
 * A change of the backends is no change here: the updater follows them. Pods are replaced one at a time, and while a master has none the
 * forward serves there.
 */
export class HaproxyDaemonSet extends pulumi.ComponentResource {
  /** Name of the DaemonSet, known when all its pods are ready. */
  readonly daemonSetName: pulumi.Output<string>;

  constructor(name: string, args: HaproxyDaemonSetArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("HaproxyDaemonSet"), name, {}, options);
    const data = {
      [UPDATER_SCRIPT]: args.updaterScript,
      [UPDATER_SETTINGS]: `${JSON.stringify(updaterSettings(args.settings), undefined, 2)}\n`,
    };
    const config = new kubernetes.core.v1.ConfigMap(
      `${name}-updater`,
      { metadata: { name: UPDATER_CONFIG_MAP, namespace: NAMESPACE, labels: POD_LABELS }, data },
      { parent: this },
    );
    const daemonSet = new kubernetes.apps.v1.DaemonSet(
      `${name}-daemon-set`,
      {
        metadata: { name: WORKLOAD, namespace: NAMESPACE, labels: POD_LABELS },
        spec: {
          selector: { matchLabels: POD_LABELS },
          // host network: two pods cannot share the ports of a node
          updateStrategy: {
            type: "RollingUpdate",
            rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
          },
          template: {
            metadata: {
              labels: POD_LABELS,
              // a mounted ConfigMap restarts nothing by itself
              annotations: { [`${PRODUCT}/updater-checksum`]: checksum(data) },
            },
            spec: podSpec(args),
          },
        },
      },
      { parent: this, dependsOn: [config, ...args.dependsOn] },
    );
    this.daemonSetName = daemonSet.metadata.name;
    this.registerOutputs({ daemonSetName: this.daemonSetName });
  }
}

function checksum(data: Readonly<Record<string, string>>): string {
  return createHash("sha256").update(JSON.stringify(data)).digest("hex");
}
