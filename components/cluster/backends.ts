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
  /** Port of the API servers. */
  readonly apiPort: number;
}

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

  constructor(name: string, args: BackendsArgs, options?: pulumi.ComponentResourceOptions) {
    super(componentType("Backends"), name, {}, options);
    const where = { name: BACKENDS_CONFIG_MAP, namespace: NAMESPACE };
    const configMap = new kubernetes.core.v1.ConfigMap(
      `${name}-config-map`,
      { metadata: { ...where, labels: POD_LABELS } },
      { parent: this, ignoreChanges: ["data"] },
    );
    new kubernetes.core.v1.ConfigMapPatch(
      `${name}-masters`,
      {
        metadata: {
          ...where,
          annotations: { ...FORCE, [MASTERS_ANNOTATION]: mastersAnnotation(args.masters) },
        },
      },
      { parent: this, dependsOn: [configMap] },
    );
    this.entries = args.masters.map(
      (master) =>
        new kubernetes.core.v1.ConfigMapPatch(
          `${name}-${master.name}`,
          {
            metadata: { ...where, annotations: FORCE },
            data: {
              [master.name]: formatBackend({ address: master.address, port: args.apiPort }),
            },
          },
          { parent: this, dependsOn: [configMap, ...master.dependsOn] },
        ),
    );
    this.registerOutputs({});
  }
}

/** The names as a JSON array, sorted: a host that is taken out of the configuration looks whether it still stands here. */
export function mastersAnnotation(masters: readonly { readonly name: string }[]): string {
  return JSON.stringify(masters.map(({ name }) => name).sort());
}
