import type { Manifest } from "./manifests";

/** API group of the lab infrastructure provider. */
export const GROUP = "infrastructure.control-plane-lb.example";

const VERSION = "v1alpha1";

/** For manifests. */
export const API_VERSION = `${GROUP}/${VERSION}`;

type Schema = Readonly<Record<string, unknown>>;

const TEXT: Schema = { type: "string" };

const object = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  properties,
});

/** status.initialization.provisioned, by which Cluster API knows that a resource is there. */
const INITIALIZATION = object({ provisioned: { type: "boolean" } });

const CLUSTER: Schema = {
  spec: object({ controlPlaneEndpoint: object({ host: TEXT, port: { type: "integer" } }) }),
  status: object({ initialization: INITIALIZATION }),
};

const MACHINE_SPEC = object({ providerID: { ...TEXT, minLength: 1, maxLength: 512 } });

const MACHINE: Schema = {
  spec: MACHINE_SPEC,
  status: object({
    initialization: INITIALIZATION,
    addresses: { type: "array", items: object({ type: TEXT, address: TEXT }) },
  }),
};

const TEMPLATE: Schema = {
  spec: object({
    template: object({
      metadata: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      spec: MACHINE_SPEC,
    }),
  }),
};

/**
 * The kinds of the lab infrastructure provider, after Cluster API's contract v1beta2 of
 * InfraCluster and InfraMachine.
 */
export const INFRASTRUCTURE_CRDS: readonly Manifest[] = [
  crd("LabCluster", CLUSTER),
  crd("LabMachine", MACHINE),
  crd("LabMachineTemplate", TEMPLATE),
];

/** Plural name of a kind of the provider, as in URLs. */
export function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`;
}

function crd(kind: string, properties: Schema): Manifest {
  const plural = pluralOf(kind);
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${GROUP}`,
      // contract of Cluster API: version that meets it
      labels: { "cluster.x-k8s.io/v1beta2": VERSION },
    },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...("status" in properties ? { subresources: { status: {} } } : {}),
          schema: { openAPIV3Schema: { type: "object", properties } },
        },
      ],
    },
  };
}
