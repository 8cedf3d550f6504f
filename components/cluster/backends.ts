import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { formatBackend } from "../../haproxy/model";
import { HAPROXY_CONFIG_KEY } from "../../haproxy/mounted";
import {
  BACKENDS_CONFIG_MAP,
  CONTROL_PLANE_NODES_ANNOTATION,
  NAMESPACE,
  POD_LABELS,
} from "../../names";
import { componentType } from "../types";

/** A control-plane node whose API server is a backend. */
export interface ControlPlaneNode {
  readonly name: string;
  readonly address: string;
  /** What makes it a control-plane node. Its key appears after that, and is gone before that is taken back. */
  readonly dependsOn: readonly pulumi.Resource[];
}

export interface BackendsArgs {
  readonly controlPlaneNodes: readonly ControlPlaneNode[];
  /** Control-plane nodes whose keys come later, by `add`. Default: none */
  readonly later?: readonly { readonly name: string }[];
  /** Port of the API servers. */
  readonly apiPort: number;
  /** Variant `mounted`: this haproxy.cfg stands in the ConfigMap instead of one key per control-plane node. */
  readonly haproxyConfig?: string;
}

const WHERE = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };

/** Server-side apply of a patch takes a field over from whoever else has set it. */
const FORCE = { "pulumi.com/patchForce": "true" };

/**
 * The ConfigMap with one key per control-plane node, or with the whole haproxy.cfg.
 *
 * Each key, and the list of control-plane nodes, is a patch with a field manager of its own; the ConfigMap itself owns no data and never changes. So
 * keys that others add stay, and a control-plane node's key goes with the control-plane node.
 */
export class Backends extends pulumi.ComponentResource {
  /** One patch per key: per control-plane node, in the order of the control-plane nodes, or the one with haproxy.cfg. */
  readonly entries: readonly pulumi.Resource[];
  /** The ConfigMap without its keys. */
  readonly configMap: pulumi.Resource;
  /** The list of control-plane nodes: as long as it names a host that is told to go, the cluster stays; it outlives whatever comes after it. */
  readonly list: pulumi.Resource;
  private readonly apiPort: number;

  constructor(
    private readonly name: string,
    args: BackendsArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("Backends"), name, {}, options);
    this.apiPort = args.apiPort;
    const { controlPlaneNodes, later = [] } = args;
    this.configMap = new kubernetes.core.v1.ConfigMap(
      `${name}-config-map`,
      { metadata: { ...WHERE, labels: POD_LABELS } },
      { parent: this, ignoreChanges: ["data"] },
    );
    this.list = new kubernetes.core.v1.ConfigMapPatch(
      `${name}-control-plane-nodes`,
      {
        metadata: {
          ...WHERE,
          annotations: {
            ...FORCE,
            [CONTROL_PLANE_NODES_ANNOTATION]: controlPlaneNodesAnnotation([
              ...controlPlaneNodes,
              ...later,
            ]),
          },
        },
      },
      { parent: this, dependsOn: [this.configMap] },
    );
    const { haproxyConfig } = args;
    this.entries =
      haproxyConfig === undefined
        ? controlPlaneNodes.map((controlPlaneNode) => this.add(controlPlaneNode))
        : [
            this.put(
              HAPROXY_CONFIG_KEY,
              haproxyConfig,
              controlPlaneNodes.flatMap(({ dependsOn }) => dependsOn),
            ),
          ];
    this.registerOutputs({});
  }

  /** The key of one control-plane node. */
  add(controlPlaneNode: ControlPlaneNode): pulumi.Resource {
    const { name, address, dependsOn } = controlPlaneNode;
    return this.put(name, formatBackend({ address, port: this.apiPort }), dependsOn);
  }

  private put(key: string, value: string, dependsOn: readonly pulumi.Resource[]): pulumi.Resource {
    return new kubernetes.core.v1.ConfigMapPatch(
      `${this.name}-${key}`,
      { metadata: { ...WHERE, annotations: FORCE }, data: { [key]: value } },
      { parent: this, dependsOn: [this.configMap, ...dependsOn] },
    );
  }
}

/** The names as a JSON array, sorted: a host that is taken out of the configuration looks whether it still stands here. */
export function controlPlaneNodesAnnotation(
  controlPlaneNodes: readonly { readonly name: string }[],
): string {
  return JSON.stringify(controlPlaneNodes.map(({ name }) => name).sort());
}
