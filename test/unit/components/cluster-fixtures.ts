import type { View } from "../../../components/cluster/roll";
import type { Node, Pod, RollGoal } from "../../../components/cluster/roll-state";

export const NOW = Date.parse("2026-01-01T00:10:00Z");
export const NEW = "template-new";
export const OLD = "template-old";

export const goal: RollGoal & { podSeconds: number } = {
  template: NEW,
  nodes: ["m1", "m2", "m3"].map((name, index) => ({ name, address: `10.0.0.1${index + 1}` })),
  minReadySeconds: 5,
  podSeconds: 60,
};

export function node(name: string, ready: "True" | "False" | "Unknown" = "True"): Node {
  return { metadata: { name }, status: { conditions: [{ type: "Ready", status: ready }] } };
}

export interface PodOptions {
  readonly template?: string;
  readonly ready?: boolean;
  readonly readySeconds?: number;
  readonly deleting?: boolean;
  readonly containers?: NonNullable<Pod["status"]>["containerStatuses"];
}

export function pod(on: string, options: PodOptions = {}): Pod {
  const { template = NEW, ready = true, readySeconds = 60, deleting = false } = options;
  const since = new Date(NOW - readySeconds * 1000).toISOString();
  return {
    metadata: {
      name: `haproxy-${on}`,
      uid: `uid-${on}-${template}`,
      annotations: { "control-plane-lb/template": template },
      ...(deleting ? { deletionTimestamp: since } : {}),
    },
    spec: { nodeName: on },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: since }],
      containerStatuses: options.containers ?? [],
    },
  };
}

/** The updater's container after it has ended. */
export const ended = [
  { name: "haproxy", ready: true },
  {
    name: "updater",
    ready: false,
    restartCount: 2,
    state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 20s" } },
    lastState: { terminated: { exitCode: 1, reason: "Error", message: "no such file" } },
  },
];

/** What the API says, one answer after the other; the last one stays. */
export class FakeView implements View {
  readonly deleted: string[] = [];

  constructor(
    private readonly answers: ({ pods: Pod[]; nodes?: Node[]; desired?: number } | Error)[],
    private readonly template = NEW,
  ) {}

  read(): ReturnType<View["read"]> {
    const [answer] = this.answers.length > 1 ? this.answers.splice(0, 1) : this.answers;
    if (answer === undefined || answer instanceof Error)
      return Promise.reject(answer ?? new Error());
    const annotations = { "control-plane-lb/template": this.template };
    const { pods, nodes = ["m1", "m2", "m3"].map((name) => node(name)) } = answer;
    const daemonSet = {
      metadata: { generation: 2 },
      spec: { template: { metadata: { annotations } } },
      status: { observedGeneration: 2, desiredNumberScheduled: answer.desired ?? 3 },
    };
    return Promise.resolve({ daemonSet, nodes, pods, nowMs: NOW });
  }

  deletePod(name: string): Promise<void> {
    this.deleted.push(name);
    return Promise.resolve();
  }
}
