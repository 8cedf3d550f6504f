import type { Api, Lab, ManagementCluster } from "../../lab/src/index";
import { waitUntil } from "../../tools/src/index";
import { CONTROL_PLANE, machineTemplate, NAMESPACE, templateReference } from "./objects";

const PATH = `/apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/${NAMESPACE}/kubeadmcontrolplanes/${CONTROL_PLANE}`;
const MACHINES = `/apis/cluster.x-k8s.io/v1beta2/namespaces/${NAMESPACE}/machines`;

/** Three machines one after the other, each with a boot and a join on shared cores. */
const DEADLINE_SECONDS = 1800;

interface KubeadmControlPlane {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly upToDateReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

interface Machine {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

/** The control plane as its operator changes it in the management cluster. */
export class ControlPlane {
  private readonly api: Api;

  constructor(
    private readonly management: ManagementCluster,
    private readonly lab: Lab,
    private readonly signal: AbortSignal,
  ) {
    this.api = management.api();
  }

  /** As `kubectl scale`. */
  async scale(replicas: number): Promise<void> {
    await this.api.mergePatch(PATH, { spec: { replicas } });
    await this.waitUntilSettled();
  }

  /** A new template of machines: each machine is replaced by one with another name and address. */
  async rollOut(template: string): Promise<void> {
    const { path, manifest } = machineTemplate(template);
    await this.api.apply(path, manifest);
    const infrastructureRef = templateReference(template);
    await this.api.mergePatch(PATH, { spec: { machineTemplate: { spec: { infrastructureRef } } } });
    await this.waitUntilSettled();
  }

  /** Waits until all Machines are ready and up to date, and no other machine is left. */
  async waitUntilSettled(): Promise<void> {
    let state = "";
    await waitUntil(
      "the KubeadmControlPlane",
      {
        seconds: DEADLINE_SECONDS,
        everyMs: 1000,
        signal: this.signal,
        lastSeen: async () => `${state}\n${await this.describe()}`,
      },
      async () => {
        const { metadata, spec, status = {} } = await this.api.get<KubeadmControlPlane>(PATH);
        state = JSON.stringify({ ...status, conditions: undefined });
        return (
          status.observedGeneration === metadata.generation &&
          status.replicas === spec.replicas &&
          status.readyReplicas === spec.replicas &&
          status.upToDateReplicas === spec.replicas &&
          this.nodes().length === spec.replicas
        );
      },
    );
  }

  /** Machines of the lab that are, or become, control-plane nodes. */
  nodes() {
    return this.lab.machines.filter(({ role }) => role === "controlPlane");
  }

  close(): void {
    this.api.close();
  }

  /** Why it is not ready: what the Machines lack, and what the machines have written last. */
  private async describe(): Promise<string> {
    const machines = await this.api.list<Machine>(MACHINES);
    const lines = machines.map(({ metadata, status }) => {
      const lacking = (status?.conditions ?? [])
        .filter(({ type, status }) => type === "Ready" && status !== "True")
        .map(({ message = "" }) => message);
      return `${metadata.name}: ${status?.phase}: ${lacking.join("; ")}`;
    });
    const consoles = this.nodes().map(({ name }) => {
      const end = this.lab.console(name).trimEnd().split("\n").slice(-5).join("\n  ");
      return `console of ${name}:\n  ${end}`;
    });
    const provider = this.management.lastLines("infrastructure", 5);
    return [...lines, ...consoles, `provider:\n${provider}`].join("\n");
  }
}
