import type { Lab } from "../../lab/src/index";
import { requireLabRoute } from "../load/lab-route";
import type { KillWindow } from "../load/load";
import { BACKENDS_CONFIG_MAP, NAMESPACE, POD_LABELS, WORKLOAD } from "../../names";
import type { Topology } from "../../stacks/schema";
import type { UpdaterStatus } from "../../updater/report/status-server";

/** A pod of the DaemonSet. */
export interface Pod {
  readonly uid: string;
  readonly node: string;
  readonly ready: boolean;
  /** Restarts of all its containers. */
  readonly restarts: number;
}

interface PodObject {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly conditions?: readonly { type: string; status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

const SELECTOR = Object.entries(POD_LABELS)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

/** A cluster on a lab, changed and observed on its machines, not through SSH or a load balancer. */
export class LabCluster {
  constructor(
    readonly lab: Lab,
    readonly ports: { readonly lb: number; readonly api: number; readonly health: number },
    /**
     * Machines that are control-plane nodes of the cluster.
     * @default all that the lab made for it
     */
    private readonly names?: readonly string[],
    readonly topology: Topology = "daemonset",
    /** Machines that run HAProxy. @default the control-plane nodes */
    private readonly hosts: readonly string[] = [],
  ) {}

  get controlPlaneNodes() {
    return this.lab.machines.filter(
      ({ name, role }) => role === "controlPlane" && (this.names?.includes(name) ?? true),
    );
  }

  /** Machines that run HAProxy. */
  get loadBalancers() {
    if (this.hosts.length === 0) return this.controlPlaneNodes;
    return this.lab.machines.filter(({ name }) => this.hosts.includes(name));
  }

  address(machine: string): string {
    return this.lab.machines.find(({ name }) => name === machine)!.address;
  }

  /** kubectl as administrator on a machine, against that machine's own API server. */
  async kubectl(machine: string, command: string): Promise<string> {
    const { stdout } = await this.lab.exec(
      machine,
      `kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://${this.address(machine)}:${this.ports.api} ${command}`,
      { timeoutMs: 60_000 },
    );
    return stdout;
  }

  async daemonSetExists(machine: string): Promise<boolean> {
    const name = await this.kubectl(
      machine,
      `-n ${NAMESPACE} get daemonset ${WORKLOAD} --ignore-not-found -o name`,
    );
    return name.trim() !== "";
  }

  async pods(machine: string): Promise<Pod[]> {
    const text = await this.kubectl(machine, `-n ${NAMESPACE} get pods -l ${SELECTOR} -o json`);
    const { items } = JSON.parse(text) as { items: PodObject[] };
    return items.map(({ metadata, spec, status }) => ({
      uid: metadata.uid,
      node: spec.nodeName ?? "",
      ready:
        status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ??
        false,
      restarts: (status.containerStatuses ?? []).reduce((sum, each) => sum + each.restartCount, 0),
    }));
  }

  async deletePods(machine: string): Promise<void> {
    await this.kubectl(machine, `-n ${NAMESPACE} delete pods -l ${SELECTOR} --wait=false`);
  }

  /** Sets a key of the backends ConfigMap, or removes it, as an operator does. */
  async patchBackend(machine: string, key: string, value: string | null): Promise<void> {
    const patch = JSON.stringify({ data: { [key]: value } });
    await this.kubectl(
      machine,
      `-n ${NAMESPACE} patch configmap ${BACKENDS_CONFIG_MAP} --type merge -p '${patch}'`,
    );
  }

  /**
   * Status of a machine's updater, read through the health port.
   * @throws when it does not answer
   */
  async updater(machine: string): Promise<UpdaterStatus> {
    requireLabRoute(this.address(machine));
    const url = `http://${this.address(machine)}:${this.ports.health}/updater/status`;
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`${url} returned ${response.status}`);
    return (await response.json()) as UpdaterStatus;
  }

  /** True if HAProxy, not the forward's listener, has the LB port of the machine's own address. */
  async haproxyListens(machine: string): Promise<boolean> {
    const { stdout } = await this.lab.exec(machine, `ss -Hltnp 'sport = :${this.ports.lb}'`, {
      timeoutMs: 30_000,
    });
    const listener = `${this.address(machine)}:${this.ports.lb}`;
    return stdout.split("\n").some((line) => line.includes(listener) && line.includes("haproxy"));
  }

  async pids(machine: string, program: string): Promise<number[]> {
    const { stdout } = await this.lab.exec(machine, `pidof ${program}`, { check: false });
    return stdout.split(/\s+/).filter(Boolean).map(Number);
  }

  /**
   * Sends a signal to all processes of a program. The returned window covers it. A kill ends when
   * the kernel has closed the sockets: until then it still accepts connections and requests, and
   * then resets them.
   */
  async signal(machine: string, program: string, signal: "KILL" | "STOP"): Promise<KillWindow> {
    const { stdout } = await this.lab.exec(
      machine,
      `gone() {
        for pid in $pids; do
          read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
          case \${stat##*) } in [ZX]*) ;; *) return 1 ;; esac
          # the first thread may die before the others; the last one closes the sockets
          set -- "/proc/$pid/task/"*
          [ $# -le 1 ] || return 1
        done
      }
      pids=$(pidof ${program}); from=$(date +%s%3N); kill -${signal} $pids
      ${signal === "KILL" ? "until gone; do sleep 0.002; done" : ":"}
      to=$(date +%s%3N); echo "$from $to"`,
      { timeoutMs: 60_000 },
    );
    const [from = NaN, to = NaN] = stdout.trim().split(" ").map(Number);
    // date has rounded down
    return { from, to: to + 1 };
  }
}
