type Json = Record<string, unknown>;

const TEMPLATE = "control-plane-lb/template";
const LONG_AGO = "2020-01-01T00:00:00Z";

interface FakePod {
  readonly uid: number;
  readonly template: string;
}

/**
 * Nodes, and what the DaemonSet controller and the kubelets make of a DaemonSet: each look replaces
 * one pod, unless a pod is unavailable already (maxUnavailable 1).
 */
export class FakePods {
  /** Nodes whose kubelet does not report. */
  readonly off = new Set<string>();
  private worksOnly: string | undefined;
  /** A controller that does nothing: every roll lasts. */
  stalled = false;
  /** Lists of pods that were asked for while the controller was stalled. */
  looks = 0;
  private readonly pods = new Map<string, FakePod>();
  private made = 0;

  /** From now on the updater's container ends with every template but this one. */
  crashNext(working: string): void {
    this.worksOnly = working;
  }

  private crashes(template: string): boolean {
    return this.worksOnly !== undefined && template !== this.worksOnly;
  }

  /** The items of a list of Nodes. */
  nodes(names: readonly string[]): Json[] {
    return names.map((name) => {
      const status = this.off.has(name) ? "Unknown" : "True";
      return { metadata: { name }, status: { conditions: [{ type: "Ready", status }] } };
    });
  }

  /** The items of a list of pods, after one step of the controller. */
  list(names: readonly string[], template: string): Json[] {
    if (this.stalled) this.looks += 1;
    this.step(names, template);
    return [...this.pods].map(([node, pod]) => this.podOf(node, pod));
  }

  /** Status of the DaemonSet, after one step of the controller. */
  status(names: readonly string[], template: string, generation: number): Json {
    this.step(names, template);
    const all = [...this.pods];
    const working = all.filter(([node, pod]) => !this.off.has(node) && !this.crashes(pod.template));
    return {
      observedGeneration: generation,
      desiredNumberScheduled: names.length,
      currentNumberScheduled: all.length,
      updatedNumberScheduled: all.filter(([, pod]) => pod.template === template).length,
      numberAvailable: working.length,
      numberReady: working.length,
    };
  }

  /** `DELETE` of a pod: the next step makes a new one. */
  delete(pod: string): void {
    this.pods.delete(pod.replace(/^haproxy-/, ""));
  }

  /** Template of each node's pod. */
  templates(): Record<string, string> {
    return Object.fromEntries([...this.pods].map(([node, { template }]) => [node, template]));
  }

  private step(names: readonly string[], template: string): void {
    for (const node of [...this.pods.keys()]) if (!names.includes(node)) this.pods.delete(node);
    if (this.stalled) return;
    for (const node of names) if (!this.pods.has(node)) this.replace(node, template);
    for (const [node, pod] of this.pods) {
      if (pod.template !== template && this.crashes(pod.template)) this.replace(node, template);
    }
    const all = [...this.pods];
    if (all.some(([node, pod]) => this.off.has(node) || this.crashes(pod.template))) return;
    const former = all.find(([, pod]) => pod.template !== template);
    if (former !== undefined) this.replace(former[0], template);
  }

  private replace(node: string, template: string): void {
    if (this.off.has(node)) return;
    this.made += 1;
    this.pods.set(node, { uid: this.made, template });
  }

  private podOf(node: string, { uid, template }: FakePod): Json {
    const crashes = this.crashes(template);
    const works = !crashes && !this.off.has(node);
    const ready = { type: "Ready", status: works ? "True" : "False", lastTransitionTime: LONG_AGO };
    const ended = { lastState: { terminated: { exitCode: 1, reason: "Error" } }, restartCount: 3 };
    return {
      metadata: {
        name: `haproxy-${node}`,
        uid: `pod-${uid}`,
        annotations: { [TEMPLATE]: template },
      },
      spec: { nodeName: node },
      status: {
        phase: "Running",
        conditions: [ready],
        containerStatuses: [
          { name: "haproxy", ready: true, restartCount: 0 },
          { name: "updater", ready: !crashes, ...(crashes ? ended : { restartCount: 0 }) },
        ],
      },
    };
  }
}
