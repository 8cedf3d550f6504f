import assert from "node:assert/strict";
import {
  dueActions,
  FINALIZER,
  type Cluster,
  type LabMachine,
  type Machine,
  type Metadata,
  type Observed,
} from "../../../../lab/src/cluster-api/reconcile";

const meta = (name: string, more: Partial<Metadata> = {}): Metadata => ({
  name,
  namespace: "ns",
  uid: `uid-${name}`,
  ...more,
});

const CLUSTER: Cluster = {
  metadata: meta("prod"),
  spec: { controlPlaneEndpoint: { host: "10.77.1.21" } },
  status: { initialization: { infrastructureProvisioned: true } },
};

const MACHINE: Machine = {
  metadata: meta("prod-x7k2p"),
  spec: { bootstrap: { dataSecretName: "prod-x7k2p-data" } },
};

const OWNED = {
  labels: { "cluster.x-k8s.io/cluster-name": "prod" },
  ownerReferences: [{ kind: "Machine", name: "prod-x7k2p" }],
};

const LAB_MACHINE: LabMachine = {
  metadata: meta("prod-x7k2p", { ...OWNED, finalizers: [FINALIZER] }),
};

const PROVISIONED = { initialization: { provisioned: true } };

const observed = (changes: Partial<Observed>): Observed => ({
  clusters: [CLUSTER],
  machines: [MACHINE],
  labClusters: [],
  labMachines: [LAB_MACHINE],
  ...changes,
});

const kinds = (changes: Partial<Observed>) => dueActions(observed(changes)).map(({ kind }) => kind);

describe("the lab infrastructure provider", () => {
  it("boots a machine when its bootstrap Secret is named and the cluster's infrastructure is there", () => {
    assert.deepEqual(dueActions(observed({})), [
      { kind: "boot", target: LAB_MACHINE.metadata, secret: "prod-x7k2p-data" },
    ]);
    assert.deepEqual(kinds({ machines: [{ ...MACHINE, spec: {} }] }), []);
    assert.deepEqual(kinds({ clusters: [{ ...CLUSTER, status: {} }] }), []);
  });

  it("boots a machine once, and reports it again if that was interrupted", () => {
    const spec = { providerID: "lab://prod-x7k2p" };
    assert.deepEqual(kinds({ labMachines: [{ ...LAB_MACHINE, spec }] }), ["boot"]);
    assert.deepEqual(kinds({ labMachines: [{ ...LAB_MACHINE, spec, status: PROVISIONED }] }), []);
  });

  it("waits for the owner, then sets the finalizer before anything boots", () => {
    const orphan = { metadata: meta("prod-x7k2p") };
    assert.deepEqual(kinds({ labMachines: [orphan] }), []);
    const fresh = { metadata: meta("prod-x7k2p", OWNED) };
    assert.deepEqual(kinds({ labMachines: [fresh] }), ["add-finalizer"]);
  });

  it("powers a deleted machine off, also when its owner and cluster are gone already", () => {
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    const going = { metadata: { ...LAB_MACHINE.metadata, deletionTimestamp } };
    assert.deepEqual(kinds({ labMachines: [going] }), ["power-off"]);
    assert.deepEqual(kinds({ labMachines: [going], machines: [], clusters: [] }), ["power-off"]);
    const gone = { metadata: { ...going.metadata, finalizers: ["somebody-else"] } };
    assert.deepEqual(kinds({ labMachines: [gone] }), []);
  });

  it("does nothing for a paused cluster or machine", () => {
    assert.deepEqual(kinds({ clusters: [{ ...CLUSTER, spec: { paused: true } }] }), []);
    const annotations = { "cluster.x-k8s.io/paused": "" };
    const paused = { metadata: { ...LAB_MACHINE.metadata, annotations } };
    assert.deepEqual(kinds({ labMachines: [paused] }), []);
  });

  it("keeps namespaces apart", () => {
    const elsewhere = { ...MACHINE, metadata: { ...MACHINE.metadata, namespace: "other" } };
    assert.deepEqual(kinds({ machines: [elsewhere] }), []);
  });

  it("reports a cluster's infrastructure when the user has named the endpoint", () => {
    const metadata = meta("prod", { ownerReferences: [{ kind: "Cluster", name: "prod" }] });
    const labClusters = [{ metadata }];
    const rest = { labMachines: [] };
    assert.deepEqual(kinds({ ...rest, labClusters }), ["cluster-ready"]);
    assert.deepEqual(kinds({ ...rest, labClusters: [{ metadata, status: PROVISIONED }] }), []);
    const without = [{ ...CLUSTER, spec: {} }];
    assert.deepEqual(kinds({ ...rest, labClusters, clusters: without }), []);
    assert.deepEqual(kinds({ ...rest, labClusters: [{ metadata: meta("prod") }] }), []);
  });
});
