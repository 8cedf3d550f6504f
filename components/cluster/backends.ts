import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { formatBackend } from "../../haproxy/model";
import { HAPROXY_CONFIG_KEY } from "../../haproxy/mounted";
import { BACKENDS_CONFIG_MAP, MASTERS_ANNOTATION, NAMESPACE, POD_LABELS } from "../../names";
import { componentType } from "../types";

/** A master whose API server is a backend. */
export interface Master {
  readonly name: string;
  readonly address: string;
  /** What makes it a master. Its key appears after that, and is gone before that is taken back. */
  readonly dependsOn: readonly pulumi.Resource[];
}

export interface BackendsArgs {
  readonly masters: readonly Master[];
  /** Masters whose keys come later, by `add`. Default: none */
  readonly later?: readonly { readonly name: string }[];
  /** Port of the API servers. */
  readonly apiPort: number;
  /** Variant `mounted`: this haproxy.cfg stands in the ConfigMap instead of one key per master. */
  readonly haproxyConfig?: string;
}

const WHERE = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };

/** Server-side apply of a patch takes a field over from whoever else has set it. */
const FORCE = { "pulumi.com/patchForce": "true" };

/**
 * The ConfigMap with one key per master, or with the whole haproxy.cfg.
 *
 * Each key, and the list of masters, is a patch with a field manager of its own; the ConfigMap itself owns no data and never changes. So
 * keys that others add stay, and a master's key goes with the master.
 */
export class Backends extends pulumi.ComponentResource {
  /** One patch per key: per master, in the order of the masters, or the one with haproxy.cfg. */
  readonly entries: readonly pulumi.Resource[];
  /** The ConfigMap without its keys. */
  readonly configMap: pulumi.Resource;
  /** The list of masters: as long as it names a host that is told to go, the cluster stays; it outlives whatever comes after it. */
  readonly list: pulumi.Resource;
  private readonly apiPort: number;

  constructor(
    private readonly name: string,
    args: BackendsArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super(componentType("Backends"), name, {}, options);
    this.apiPort = args.apiPort;
    const { masters, later = [] } = args;
    this.configMap = new kubernetes.core.v1.ConfigMap(
      `${name}-config-map`,
      { metadata: { ...WHERE, labels: POD_LABELS } },
      { parent: this, ignoreChanges: ["data"] },
    );
    this.list = new kubernetes.core.v1.ConfigMapPatch(
      `${name}-masters`,
      {
        metadata: {
          ...WHERE,
          annotations: {
            ...FORCE,
            [MASTERS_ANNOTATION]: mastersAnnotation([...masters, ...later]),
          },
        },
      },
      { parent: this, dependsOn: [this.configMap] },
    );
    const { haproxyConfig } = args;
    this.entries =
      haproxyConfig === undefined
        ? masters.map((master) => this.add(master))
        : [
            this.put(
              HAPROXY_CONFIG_KEY,
              haproxyConfig,
              masters.flatMap(({ dependsOn }) => dependsOn),
            ),
          ];
    this.registerOutputs({});
  }

  /** The key of one master. */
  add(master: Master): pulumi.Resource {
    const { name, address, dependsOn } = master;
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
export function mastersAnnotation(masters: readonly { readonly name: string }[]): string {
  return JSON.stringify(masters.map(({ name }) => name).sort());
}
