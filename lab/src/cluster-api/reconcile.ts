// What the lab infrastructure provider does next, decided without side effects. It follows the
// workflow of the contract: https://cluster-api.sigs.k8s.io/developer/providers/contracts/infra-machine

export const FINALIZER = "labmachine.infrastructure.control-plane-lb.example";

const PAUSED = "cluster.x-k8s.io/paused";

export const CLUSTER_NAME = "cluster.x-k8s.io/cluster-name";

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
}

interface Initialization {
  readonly initialization?: { readonly provisioned?: boolean };
}

/** Cluster API's Cluster. */
export interface Cluster {
  readonly metadata: Metadata;
  readonly spec?: {
    readonly paused?: boolean;
    readonly controlPlaneEndpoint?: { readonly host?: string };
  };
  readonly status?: { readonly initialization?: { readonly infrastructureProvisioned?: boolean } };
}

/** Cluster API's Machine. */
export interface Machine {
  readonly metadata: Metadata;
  readonly spec?: { readonly bootstrap?: { readonly dataSecretName?: string } };
}

export interface LabCluster {
  readonly metadata: Metadata;
  readonly status?: Initialization;
}

export interface LabMachine {
  readonly metadata: Metadata;
  readonly spec?: { readonly providerID?: string };
  readonly status?: Initialization;
}

/** The objects of a management cluster that the provider works with. */
export interface Observed {
  readonly clusters: readonly Cluster[];
  readonly machines: readonly Machine[];
  readonly labClusters: readonly LabCluster[];
  readonly labMachines: readonly LabMachine[];
}

/** One change. `boot` gives a new machine the bootstrap data of a Secret. */
export type Action =
  | { readonly kind: "cluster-ready"; readonly target: Metadata }
  | { readonly kind: "add-finalizer"; readonly target: Metadata }
  | { readonly kind: "boot"; readonly target: Metadata; readonly secret: string }
  | { readonly kind: "power-off"; readonly target: Metadata };

/** The changes that are due. Empty: nothing to do, or it has to be waited for. */
export function dueActions(observed: Observed): Action[] {
  return [
    ...observed.labClusters.flatMap((labCluster) => clusterActions(labCluster, observed)),
    ...observed.labMachines.flatMap((labMachine) => machineActions(labMachine, observed)),
  ];
}

function clusterActions({ metadata, status }: LabCluster, { clusters }: Observed): Action[] {
  const cluster = clusters.find(same(metadata, owner(metadata, "Cluster")));
  if (cluster === undefined || isPaused(cluster, metadata)) return [];
  // the provider gives no endpoint: users name theirs
  if (cluster.spec?.controlPlaneEndpoint?.host === undefined) return [];
  if (status?.initialization?.provisioned === true) return [];
  return [{ kind: "cluster-ready", target: metadata }];
}

function machineActions(labMachine: LabMachine, { clusters, machines }: Observed): Action[] {
  const { metadata, spec, status } = labMachine;
  const machine = machines.find(same(metadata, owner(metadata, "Machine")));
  const cluster = clusters.find(same(metadata, metadata.labels?.[CLUSTER_NAME]));
  if (cluster !== undefined && isPaused(cluster, metadata)) return [];
  const finalized = metadata.finalizers?.includes(FINALIZER) === true;
  if (metadata.deletionTimestamp !== undefined) {
    return finalized ? [{ kind: "power-off", target: metadata }] : [];
  }
  if (machine === undefined || cluster === undefined) return [];
  if (!finalized) return [{ kind: "add-finalizer", target: metadata }];
  const secret = machine.spec?.bootstrap?.dataSecretName;
  if (cluster.status?.initialization?.infrastructureProvisioned !== true) return [];
  if (secret === undefined) return [];
  if (spec?.providerID !== undefined && status?.initialization?.provisioned === true) return [];
  return [{ kind: "boot", target: metadata, secret }];
}

function owner({ ownerReferences = [] }: Metadata, kind: string): string | undefined {
  return ownerReferences.find((reference) => reference.kind === kind)?.name;
}

function same({ namespace }: Metadata, name: string | undefined) {
  return ({ metadata }: { readonly metadata: Metadata }) =>
    metadata.name === name && metadata.namespace === namespace;
}

function isPaused({ spec }: Cluster, { annotations = {} }: Metadata): boolean {
  return spec?.paused === true || PAUSED in annotations;
}
