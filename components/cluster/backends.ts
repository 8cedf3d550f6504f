import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { formatBackend } from "../../haproxy/model";
import { HAPROXY_CONFIG_KEY } from "../../haproxy/mounted";
import {
  BACKENDS_CONFIG_MAP,
  CONTROL_PLANE_NODES_ANNOTATION,
  IN_USE_ANNOTATION,
  NAMESPACE,
} from "../../names";
import { backendsConfigMap } from "../../objects/backends";
import { stackName } from "../stack-name";
import { componentType } from "../types";
import type { ClusterConnection } from "./cluster-api";
import { refuseMissing } from "./refuse-missing";

/** A control-plane node whose API server is a backend. */
export interface ControlPlaneNode {
  readonly name: string;
  readonly address: string;
  /** Its key appears after these, and is gone before these are deleted. */
  readonly dependsOn: readonly pulumi.Resource[];
}

export interface BackendsArgs {
  /** All configured control-plane nodes, in any order. */
  readonly controlPlaneNodes: readonly { readonly name: string }[];
  /** For a clear refusal when the ConfigMap was deleted by hand. Undefined: the provider's words. */
  readonly connection: pulumi.Output<ClusterConnection | undefined> | undefined;
}

/** Of the ConfigMap in the API. */
export const BACKENDS_PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps/${BACKENDS_CONFIG_MAP}`;

/** The API server accepts no longer name of a field manager. */
const MAX_MANAGER = 128;

const WHERE = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };

/** Server-side apply of a patch takes a field over from any other manager. */
const FORCE = { "pulumi.com/patchForce": "true" };

/**
 * The ConfigMap of the backends, without its keys: `backendKey` or `haproxyConfigKey` adds them.
 *
 * Each key, and the list of control-plane nodes, is a patch with its own field manager; the
 * ConfigMap itself owns no data and never changes. So keys of other managers stay, and a
 * control-plane node's key goes with the control-plane node.
 *
 * It names its stack in an annotation, and its field manager is called like the stack. So the apply
 * of a second stack is a conflict, which names the first. Every other object of the program comes
 * after this one.
 */
export class Backends extends pulumi.ComponentResource {
  /** The ConfigMap without its keys. */
  readonly configMap: pulumi.Resource;
  /**
   * The list of control-plane nodes. A host that the list still names stays in the cluster when its
   * resources are deleted.
   */
  readonly list: pulumi.Resource;
  /** Options of every patch of the ConfigMap. */
  readonly patchOptions: pulumi.CustomResourceOptions;

  constructor(
    readonly name: string,
    { controlPlaneNodes, connection }: BackendsArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("Backends"), name, {}, options);
    this.configMap = new kubernetes.core.v1.ConfigMap(`${name}-config-map`, claimed(stackName()), {
      parent: this,
      ignoreChanges: ["data"],
    });
    const hooks =
      connection === undefined
        ? {}
        : { hooks: { beforeUpdate: [refuseMissing(name, connection, BACKENDS_PATH)] } };
    this.patchOptions = { parent: this, ...hooks };
    const annotation = controlPlaneNodesAnnotation(controlPlaneNodes);
    this.list = new kubernetes.core.v1.ConfigMapPatch(
      `${name}-control-plane-nodes`,
      {
        metadata: {
          ...WHERE,
          annotations: { ...FORCE, [CONTROL_PLANE_NODES_ANNOTATION]: annotation },
        },
      },
      { ...this.patchOptions, dependsOn: [this.configMap] },
    );
    this.registerOutputs({});
  }
}

/**
 * Marks the cluster as in use. A destroy of the whole stack takes the mark away before it touches
 * any control-plane node; until then no listed node is reset.
 *
 * @param dependsOn what makes the control-plane nodes
 */
export function markInUse(
  backends: Backends,
  dependsOn: readonly pulumi.Resource[],
): pulumi.Resource {
  return new kubernetes.core.v1.ConfigMapPatch(
    `${backends.name}-in-use`,
    { metadata: { ...WHERE, annotations: { ...FORCE, [IN_USE_ANNOTATION]: "true" } } },
    { parent: backends, dependsOn: [backends.list, ...dependsOn] },
  );
}

/** The apply of another stack, under another field manager, is a conflict. */
function claimed(stack: string): kubernetes.core.v1.ConfigMapArgs {
  const object = backendsConfigMap(stack);
  const manager = { "pulumi.com/patchFieldManager": stack.slice(-MAX_MANAGER) };
  const annotations = { ...object.metadata.annotations, ...manager };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The key of one control-plane node: `m1: "10.77.0.11:6443"`. */
export function backendKey(
  backends: Backends,
  { name, address, dependsOn }: ControlPlaneNode,
  apiPort: number,
): pulumi.Resource {
  const data = { [name]: formatBackend({ address, port: apiPort }) };
  return patch(backends, `${backends.name}-key-${name}`, data, dependsOn);
}

/**
 * The key with the whole haproxy.cfg, for the variant `mounted`: in place of one key per
 * control-plane node.
 */
export function haproxyConfigKey(
  backends: Backends,
  haproxyConfig: string,
  dependsOn: readonly pulumi.Resource[],
): pulumi.Resource {
  const data = { [HAPROXY_CONFIG_KEY]: haproxyConfig };
  return patch(backends, `${backends.name}-${HAPROXY_CONFIG_KEY}`, data, dependsOn);
}

/** @param name unique, whatever nodes are called: those of nodes, and no others, have "-key-" */
function patch(
  backends: Backends,
  name: string,
  data: Readonly<Record<string, string>>,
  dependsOn: readonly pulumi.Resource[],
): pulumi.Resource {
  return new kubernetes.core.v1.ConfigMapPatch(
    name,
    { metadata: { ...WHERE, annotations: FORCE }, data },
    { ...backends.patchOptions, dependsOn: [backends.configMap, ...dependsOn] },
  );
}

/** The names as a sorted JSON array: the removal script of a host looks for its own name here. */
export function controlPlaneNodesAnnotation(
  controlPlaneNodes: readonly { readonly name: string }[],
): string {
  return JSON.stringify(controlPlaneNodes.map(({ name }) => name).sort());
}
