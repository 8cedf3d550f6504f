import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { formatBackend } from "../../haproxy/model";
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
}

const WHERE = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };

/** Server-side apply of a patch takes a field over from whoever else has set it. */
const FORCE = { "pulumi.com/patchForce": "true" };

/**
 * The ConfigMap with one key per master.
 *
 * Each key, and the list of masters, is a patch with a field manager of its own; the ConfigMap itself owns no data and never changes. So
 * keys that others add stay, and a master's key goes with the master.
 */
export class Backends extends pulumi.ComponentResource {
  /** One patch per master, in the order of the masters. */
  readonly entries: readonly pulumi.Resource[];
  /** The ConfigMap without its keys. */
  readonly configMap: pulumi.Resource;
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
    new kubernetes.core.v1.ConfigMapPatch(
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
    this.entries = masters.map((master) => this.add(master));
    this.registerOutputs({});
  }

  /** The key of one master. */
  add(master: Master): pulumi.Resource {
    return new kubernetes.core.v1.ConfigMapPatch(
      `${this.name}-${master.name}`,
      {
        metadata: { ...WHERE, annotations: FORCE },
        data: { [master.name]: formatBackend({ address: master.address, port: this.apiPort }) },
      },
      { parent: this, dependsOn: [this.configMap, ...master.dependsOn] },
    );
  }
}

/** The names as a JSON array, sorted: a host that is taken out of the configuration looks whether it still stands here. */
export function mastersAnnotation(masters: readonly { readonly name: string }[]): string {
  return JSON.stringify(masters.map(({ name }) => name).sort());
}
