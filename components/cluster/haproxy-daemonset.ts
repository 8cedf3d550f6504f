import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { TEMPLATE_ANNOTATION, UPDATER_CONFIG_MAP, WORKLOAD } from "../../names";
import { haproxyObjects, MIN_READY_SECONDS, type DaemonSetArgs } from "../../objects/daemon-set";
import { componentType } from "../types";
import type { ClusterConnection } from "./cluster-api";
import { refuseMissing } from "./refuse-missing";
import { DAEMON_SET_PATH, followRoll } from "./roll";
import type { RollNode } from "./roll-state";

/** HAProxy on every control-plane node. */
export interface HaproxyDaemonSetArgs extends DaemonSetArgs {
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
    const { connection, nodes } = args;
    const objects = haproxyObjects(args);
    const config = objects.updaterConfig && this.updaterConfig(name, objects.updaterConfig, args);
    const { metadata, spec } = objects.daemonSet;
    const { metadata: podMetadata, spec: pod } = spec.template;
    const template = podMetadata.annotations[TEMPLATE_ANNOTATION];
    const podSeconds = Number(pod.terminationGracePeriodSeconds) + START_SECONDS;
    const timeout = `${podSeconds * Math.max(nodes.length, 1)}s`;
    const gone = connection && refuseMissing(`${name}-daemon-set`, connection, DAEMON_SET_PATH);
    const annotations = connection === undefined ? {} : { annotations: NO_AWAIT };
    const daemonSet = new kubernetes.apps.v1.DaemonSet(
      `${name}-daemon-set`,
      { ...objects.daemonSet, metadata: { ...metadata, ...annotations } },
      {
        parent: this,
        dependsOn: [...(config === undefined ? [] : [config]), ...args.dependsOn],
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

  /**
   * One resource per content: the engine deletes the former one last, and not after a failure. Pods
   * that are not replaced yet can start again with it meanwhile.
   */
  private updaterConfig(
    name: string,
    object: NonNullable<ReturnType<typeof haproxyObjects>["updaterConfig"]>,
    { backends }: HaproxyDaemonSetArgs,
  ): pulumi.Resource {
    const hash = object.metadata.name.slice(UPDATER_CONFIG_MAP.length + 1);
    return new kubernetes.core.v1.ConfigMap(`${name}-updater-${hash}`, object, {
      parent: this,
      dependsOn: [backends],
    });
  }
}

/** A pod pulls its images, waits for a backend and becomes ready within this, after its stop. */
const START_SECONDS = 180;

/** A condition that holds at once: the provider saves the state, and the roll is followed apart. */
const NO_AWAIT = { "pulumi.com/waitFor": `jsonpath={.metadata.name}=${WORKLOAD}` };
