import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import {
  NAMESPACE,
  POD_LABELS,
  TEMPLATE_ANNOTATION,
  UPDATER_CONFIG_MAP,
  WORKLOAD,
} from "../../names";
import { componentType } from "../types";
import type { ClusterConnection } from "./cluster-api";
import { refuseMissing } from "./refuse-missing";
import { DAEMON_SET_PATH, followRoll } from "./roll";
import type { RollNode } from "./roll-state";
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
  /** Control-plane nodes that should have a pod. */
  readonly nodes: readonly RollNode[];
  /**
   * How the roll of the pods is followed. Undefined: this program cannot use the kubeconfig, and the
   * provider waits, which a node that is off holds up.
   */
  readonly connection: pulumi.Output<ClusterConnection | undefined> | undefined;
  /** The ConfigMap of the backends: it comes before every other object. */
  readonly backends: pulumi.Resource;
  /** Resources before the first pod: its rights, and the first backends. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * A new pod counts for a roll when all its containers have been ready for so long: an updater that
 * ends soon after its first sync does not reach the next node.
 */
const MIN_READY_SECONDS = 5;

/**
 * HAProxy in host network on all control-plane nodes; with an updater, also the ConfigMap with its
 * script and settings.
 *
 * A change of the backends changes nothing here: the pods follow the ConfigMap with the backends.
 * Pods are replaced one at a time, and never a second one before the first is ready; the forward
 * serves on a control-plane node without a pod.
 */
export class HaproxyDaemonSet extends pulumi.ComponentResource {
  /** Name of the DaemonSet. */
  readonly daemonSetName: pulumi.Output<string>;

  constructor(name: string, args: HaproxyDaemonSetArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("HaproxyDaemonSet"), name, {}, options);
    const { updater, connection, nodes } = args;
    const config = updater && updaterConfig(name, args, updater, this);
    const pod =
      updater === undefined || config === undefined
        ? mountedPod(args)
        : sidecarPod(args, updater, config.name);
    const template = checksum({ pod: JSON.stringify(pod) });
    const podSeconds = Number(pod.terminationGracePeriodSeconds) + START_SECONDS;
    const timeout = `${podSeconds * Math.max(nodes.length, 1)}s`;
    const gone = connection && refuseMissing(`${name}-daemon-set`, connection, DAEMON_SET_PATH);
    const daemonSet = new kubernetes.apps.v1.DaemonSet(
      `${name}-daemon-set`,
      {
        metadata: {
          name: WORKLOAD,
          namespace: NAMESPACE,
          labels: POD_LABELS,
          ...(connection === undefined ? {} : { annotations: NO_AWAIT }),
        },
        spec: {
          selector: { matchLabels: POD_LABELS },
          minReadySeconds: MIN_READY_SECONDS,
          // host network: two pods cannot share the ports of a node
          updateStrategy: {
            type: "RollingUpdate",
            rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
          },
          template: {
            metadata: { labels: POD_LABELS, annotations: { [TEMPLATE_ANNOTATION]: template } },
            spec: pod,
          },
        },
      },
      {
        parent: this,
        dependsOn: [...(config === undefined ? [] : [config.resource]), ...args.dependsOn],
        customTimeouts: { create: timeout, update: timeout, delete: timeout },
        ...(gone === undefined ? {} : { hooks: { beforeUpdate: [gone] } }),
      },
    );
    if (connection !== undefined) {
      followRoll(`${name}-roll`, daemonSet, {
        connection,
        template,
        nodes,
        minReadySeconds: MIN_READY_SECONDS,
        podSeconds,
      });
    }
    this.daemonSetName = daemonSet.metadata.name;
    this.registerOutputs({ daemonSetName: this.daemonSetName });
  }
}

/** A pod pulls its images, waits for a backend and becomes ready within this, after its stop. */
const START_SECONDS = 180;

/** A condition that holds at once: the provider saves the state, and the roll is followed apart. */
const NO_AWAIT = { "pulumi.com/waitFor": `jsonpath={.metadata.name}=${WORKLOAD}` };

/**
 * The ConfigMap with the updater's script and settings. Its content never changes: another content
 * is another ConfigMap under another name, and so another pod template. The former one goes at the
 * end of an `up` that succeeds; pods that are not replaced yet can start again with it.
 */
function updaterConfig(
  name: string,
  { settings, backends }: HaproxyDaemonSetArgs,
  { script, checkConfig }: NonNullable<HaproxyDaemonSetArgs["updater"]>,
  parent: pulumi.Resource,
): { readonly resource: pulumi.Resource; readonly name: string } {
  const data = {
    [UPDATER_SCRIPT]: script,
    [UPDATER_SETTINGS]: `${JSON.stringify(podUpdaterSettings(settings, checkConfig), undefined, 2)}\n`,
  };
  const hash = checksum(data).slice(0, 10);
  const configMap = `${UPDATER_CONFIG_MAP}-${hash}`;
  const resource = new kubernetes.core.v1.ConfigMap(
    // one resource per content: the engine deletes the former one last, and not after a failure
    `${name}-updater-${hash}`,
    {
      metadata: { name: configMap, namespace: NAMESPACE, labels: POD_LABELS },
      immutable: true,
      data,
    },
    { parent, dependsOn: [backends] },
  );
  return { resource, name: configMap };
}

function checksum(data: Readonly<Record<string, string>>): string {
  return createHash("sha256").update(JSON.stringify(data)).digest("hex");
}
