import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { NAMESPACE, POD_LABELS, PRODUCT, UPDATER_CONFIG_MAP, WORKLOAD } from "../../names";
import { componentType } from "../types";
import { mountedPod } from "../../pod/mounted-pod";
import type { PodArgs } from "../../pod/pod";
import { sidecarPod, type UpdaterArgs } from "../../pod/sidecar-pod";
import { UPDATER_SCRIPT, UPDATER_SETTINGS, podUpdaterSettings } from "../../pod/updater-config";

/** HAProxy on every control-plane node. */
export interface HaproxyDaemonSetArgs extends PodArgs {
  /**
   * The updater beside HAProxy, with its script. Absent: the variant `mounted`, where HAProxy's own
   * container reads changes.
   */
  readonly updater?: UpdaterArgs & { readonly script: string };
  /** The ConfigMap of the backends: it comes before every other object. */
  readonly backends: pulumi.Resource;
  /** Resources before the first pod: its rights, and the first backends. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * HAProxy in host network on all control-plane nodes; with an updater, also the ConfigMap with its
 * script and settings.
 *
 * A change of the backends changes nothing here: the pods follow the ConfigMap with the backends.
 * Pods are replaced one at a time; the forward serves on a control-plane node without a pod.
 */
export class HaproxyDaemonSet extends pulumi.ComponentResource {
  /** Name of the DaemonSet, known when all its pods are ready. */
  readonly daemonSetName: pulumi.Output<string>;

  constructor(name: string, args: HaproxyDaemonSetArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("HaproxyDaemonSet"), name, {}, options);
    const { updater } = args;
    const config = updater && updaterConfig(name, args, updater, this);
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
              ...(config === undefined ? {} : { annotations: config.annotations }),
            },
            spec: updater === undefined ? mountedPod(args) : sidecarPod(args, updater),
          },
        },
      },
      {
        parent: this,
        dependsOn: [...(config === undefined ? [] : [config.resource]), ...args.dependsOn],
      },
    );
    this.daemonSetName = daemonSet.metadata.name;
    this.registerOutputs({ daemonSetName: this.daemonSetName });
  }
}

/**
 * The ConfigMap with the updater's script and settings, and its checksum for the pods: a mounted
 * ConfigMap restarts no pod.
 */
function updaterConfig(
  name: string,
  { settings, backends }: HaproxyDaemonSetArgs,
  { script, checkConfig }: NonNullable<HaproxyDaemonSetArgs["updater"]>,
  parent: pulumi.Resource,
): { readonly resource: pulumi.Resource; readonly annotations: Record<string, string> } {
  const data = {
    [UPDATER_SCRIPT]: script,
    [UPDATER_SETTINGS]: `${JSON.stringify(podUpdaterSettings(settings, checkConfig), undefined, 2)}\n`,
  };
  const resource = new kubernetes.core.v1.ConfigMap(
    `${name}-updater`,
    { metadata: { name: UPDATER_CONFIG_MAP, namespace: NAMESPACE, labels: POD_LABELS }, data },
    { parent, dependsOn: [backends] },
  );
  return { resource, annotations: { [`${PRODUCT}/updater-checksum`]: checksum(data) } };
}

function checksum(data: Readonly<Record<string, string>>): string {
  return createHash("sha256").update(JSON.stringify(data)).digest("hex");
}
