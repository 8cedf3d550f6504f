import type { Lab } from "../../lab/src/index";
import type { KillWindow } from "../load/load";
import { BACKENDS_CONFIG_MAP, NAMESPACE, POD_LABELS, WORKLOAD } from "../../names";
import type { UpdaterStatus } from "../../updater/report/status-server";

/** A pod of the DaemonSet. */
export interface Pod {
  readonly uid: string;
  readonly node: string;
  readonly ready: boolean;
}

interface PodObject {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly conditions?: readonly { type: string; status: string }[] };
}

const SELECTOR = Object.entries(POD_LABELS)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

/** What the demo does to a cluster on a lab, and how it looks at it: past SSH, load balancer and load. */
export class DemoCluster {
  constructor(
    readonly lab: Lab,
    readonly ports: { readonly lb: number; readonly api: number; readonly health: number },
    /** Machines of the lab that are control-plane nodes of the cluster. Default: all but its workers. */
    private readonly names?: readonly string[],
    readonly topology: "daemonset" | "external" = "daemonset",
    /** Machines that run HAProxy, where they are not the control-plane nodes. */
    private readonly own: readonly string[] = [],
  ) {}

  get controlPlaneNodes() {
    return this.lab.machines.filter(
      ({ name, role }) => role === "controlPlane" && (this.names?.includes(name) ?? true),
    );
  }

  /** Machines that run HAProxy. */
  get loadBalancers() {
    if (this.own.length === 0) return this.controlPlaneNodes;
    return this.lab.machines.filter(({ name }) => this.own.includes(name));
  }

  address(machine: string): string {
    return this.lab.machines.find(({ name }) => name === machine)!.address;
  }

  /** kubectl as administrator, on a machine and against that machine's own API server. */
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

  /** What a machine's updater says; asked from outside, by the health port. @throws when it does not answer */
  async updater(machine: string): Promise<UpdaterStatus> {
    const url = `http://${this.address(machine)}:${this.ports.health}/updater/status`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    return (await answer.json()) as UpdaterStatus;
  }

  /** Does HAProxy listen on the LB port of this machine: a listener on a specific address. */
  async haproxyListens(machine: string): Promise<boolean> {
    const { stdout } = await this.lab.exec(machine, `ss -Hltn 'sport = :${this.ports.lb}'`, {
      timeoutMs: 30_000,
    });
    return stdout.includes(`${this.address(machine)}:${this.ports.lb}`);
  }

  async pids(machine: string, program: string): Promise<number[]> {
    const { stdout } = await this.lab.exec(machine, `pidof ${program}`, { check: false });
    return stdout.split(/\s+/).filter(Boolean).map(Number);
  }

  /**
   * Sends a signal to all processes of a program, and says when: between the two times of the window. A kill is over when the kernel
   * has closed the sockets of the dead: until then it takes requests on their connections, and new connections, and resets them.
   */
  async signal(machine: string, program: string, signal: "KILL" | "STOP"): Promise<KillWindow> {
    const { stdout } = await this.lab.exec(
      machine,
      `gone() {
        for pid in $pids; do
          read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
          case \${stat##*) } in [ZX]*) ;; *) return 1 ;; esac
          # the first thread is dead before the others, and the last one closes the sockets
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
    // a whole millisecond was cut off
    return { from, to: to + 1 };
  }
}
