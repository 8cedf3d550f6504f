import * as pulumi from "@pulumi/pulumi";
import { AsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CONTROL_PLANE_LABEL,
  NAMESPACE,
  POD_LABELS,
  TEMPLATE_ANNOTATION,
  WORKLOAD,
} from "../../names";
import { requestApi, type ClusterConnection } from "./cluster-api";
import { rollState, type Node, type Pod, type RollGoal, type RollState } from "./roll-state";

/** Path of the DaemonSet in the API. */
export const DAEMON_SET_PATH = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/${WORKLOAD}`;

export interface RollArgs extends RollGoal {
  /** Undefined: the kubeconfig holds none that this program can use. */
  readonly connection: pulumi.Output<ClusterConnection | undefined>;
  /** One pod stops and its successor becomes ready within this. */
  readonly podSeconds: number;
}

/** What a test may set. */
export interface RollTimes {
  readonly pollMs: number;
  /** A new pod that fails is given up after this: an image or an API server may come late. */
  readonly brokenMs: number;
  /** The controller gets this long to replace a pod before a held up one is deleted. */
  readonly heldUpMs: number;
}

const TIMES: RollTimes = { pollMs: 1000, brokenMs: 40_000, heldUpMs: 5000 };

/**
 * Follows the roll of the DaemonSet's pods, in `up` alone: it fails at the first new pod that does
 * not work, and a node that is off does not hold up the others.
 *
 * The DaemonSet itself is in the state by then, so an `up` that ends here is continued, or reverted,
 * by the next one. The marker is not: the next `up` follows the roll again.
 */
export function followRoll(
  name: string,
  daemonSet: pulumi.CustomResource & { readonly metadata: pulumi.Output<{ generation: number }> },
  args: RollArgs,
): pulumi.Resource {
  // the engine calls the hook outside of the program, whose log this is
  const log = AsyncResource.bind((level: "info" | "warn", text: string): void => {
    void pulumi.log[level](text, daemonSet, undefined, level === "info");
  });
  const follow = new pulumi.ResourceHook(name, async () => {
    const connection = await valueOf(args.connection);
    if (connection === undefined) throw new Error("the kubeconfig has no server or no credentials");
    await untilRolled(new ClusterView(connection), args, {
      say: (text) => log("info", text),
      warn: (text) => log("warn", text),
    });
  });
  const { template, nodes } = args;
  return new pulumi.Stash(
    name,
    {
      input: {
        template,
        nodes: nodes.map((node) => node.name),
        // also an update back to the template of the last marker is followed
        generation: daemonSet.metadata.generation,
      },
    },
    {
      parent: daemonSet,
      dependsOn: [daemonSet],
      hooks: { beforeCreate: [follow], beforeUpdate: [follow] },
    },
  );
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => void output.apply(resolve));
}

interface DaemonSet {
  readonly metadata: { readonly generation?: number };
  readonly spec?: {
    readonly template?: { readonly metadata?: { readonly annotations?: Record<string, string> } };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled?: number;
  };
}

/** What the roll reads, and the one thing that it changes. */
export interface View {
  /** @throws Error when no API server answers */
  read(): Promise<{
    readonly daemonSet: DaemonSet | undefined;
    readonly nodes: readonly Node[];
    readonly pods: readonly Pod[];
    readonly nowMs: number;
  }>;
  deletePod(name: string): Promise<void>;
}

class ClusterView implements View {
  constructor(private readonly connection: ClusterConnection) {}

  async read(): Promise<Awaited<ReturnType<View["read"]>>> {
    const [label, value] = Object.entries(POD_LABELS)[0] as [string, string];
    const selector = encodeURIComponent(`${label}=${value}`);
    const [daemonSet, nodes, pods] = await Promise.all([
      this.get<DaemonSet>(DAEMON_SET_PATH),
      this.get<{ items: Node[] }>(
        `/api/v1/nodes?labelSelector=${encodeURIComponent(CONTROL_PLANE_LABEL)}`,
      ),
      this.get<{ items: Pod[] }>(`/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`),
    ]);
    return {
      daemonSet: daemonSet.body,
      nodes: nodes.body?.items ?? [],
      pods: pods.body?.items ?? [],
      nowMs: daemonSet.date ?? Date.now(),
    };
  }

  async deletePod(name: string): Promise<void> {
    await requestApi(this.connection, "DELETE", `/api/v1/namespaces/${NAMESPACE}/pods/${name}`);
  }

  private async get<T>(path: string): Promise<{ body: T | undefined; date: number | undefined }> {
    const { code, body, date } = await requestApi(this.connection, "GET", path);
    if (code === 404) return { body: undefined, date };
    if (code !== 200) throw new Error(`GET ${path}: HTTP ${code}`);
    return { body: body as T, date };
  }
}

export interface Report {
  /** Progress. */
  readonly say: (text: string) => void;
  /** What stays when the roll has ended well. */
  readonly warn: (text: string) => void;
}

/**
 * Returns when every control-plane node that works has a new pod that works.
 *
 * @throws Error that names the node, the pod, the container and its last state
 */
export async function untilRolled(
  view: View,
  goal: RollGoal & { readonly podSeconds: number },
  { say, warn }: Report,
  times: RollTimes = TIMES,
): Promise<void> {
  const brokenFor = new Stopwatch();
  const heldUpFor = new Stopwatch();
  const withoutProgress = new Stopwatch();
  const emptyFor = new Stopwatch();
  let unreachable = "";
  let shown = "";
  for (;;) {
    const seen = await view.read().catch((error: unknown) => {
      unreachable = (error as Error).message;
      return undefined;
    });
    if (seen !== undefined) {
      const { daemonSet } = seen;
      const found = daemonSet?.spec?.template?.metadata?.annotations?.[TEMPLATE_ANNOTATION];
      if (found !== goal.template) throw new Error(foreign(found === undefined && !daemonSet));
      const { generation = 0 } = daemonSet?.metadata ?? {};
      const { observedGeneration = 0, desiredNumberScheduled = 0 } = daemonSet?.status ?? {};
      const isObserved = observedGeneration >= generation;
      const state = rollState(seen, goal);
      const text = isObserved ? progress(state) : "the DaemonSet controller has not seen it yet";
      if (text !== shown) say(text);
      shown = text;
      if (isObserved && desiredNumberScheduled > 0 && state.waiting.length === 0) {
        for (const line of leftOut(state)) warn(line);
        return;
      }
      const isEmpty = isObserved && desiredNumberScheduled === 0;
      if (emptyFor.ms(isEmpty ? "empty" : undefined) > times.heldUpMs) throw new Error(NO_NODES);
      const { broken, heldUp } = state;
      if (brokenFor.ms(broken?.key) >= times.brokenMs) throw new Error(stopped(broken?.text ?? ""));
      if (heldUpFor.ms(isObserved ? heldUp : undefined) >= times.heldUpMs) {
        say(`${state.off.join(", ")} holds up the roll: pod ${heldUp} is replaced`);
        await view.deletePod(heldUp ?? "").catch(() => undefined);
      }
    }
    const reached = seen === undefined ? "" : [shown, ...seen.pods.map(uidOf)].join();
    if (withoutProgress.ms(reached) > goal.podSeconds * 1000) {
      throw new Error(stopped(shown || `the API does not answer: ${unreachable}`));
    }
    await sleep(times.pollMs);
  }
}

/** How long the same has lasted. */
class Stopwatch {
  #what: string | undefined;
  #sinceMs = 0;

  ms(what: string | undefined): number {
    if (what === undefined || what !== this.#what) this.#sinceMs = performance.now();
    this.#what = what;
    return performance.now() - this.#sinceMs;
  }
}

function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? metadata.name;
}

function progress({ updated, waiting, off }: RollState): string {
  const all = updated.length + waiting.length;
  const rest = waiting.map(({ node, reason }) => `${node}: ${reason}`);
  const away = off.map((node) => `${node} is off`);
  return [`${updated.length} of ${all} nodes have the new pod`, ...rest, ...away].join("; ");
}

function leftOut({ off, missing }: RollState): string[] {
  return [
    ...off.map(
      (node) =>
        `${node} is off: its kubelet does not report. Its pod has the former settings and is replaced when the node is back`,
    ),
    ...missing.map(
      (node) =>
        `${node} has no pod: no Node of this name or address has the label ${CONTROL_PLANE_LABEL}`,
    ),
  ];
}

const NO_NODES = `no Node has the label ${CONTROL_PLANE_LABEL}, so HAProxy runs nowhere (0 desired pods); kubeadm sets it: kubectl label node NAME ${CONTROL_PLANE_LABEL}=`;

function stopped(text: string): string {
  const [label, value] = Object.entries(POD_LABELS)[0] as [string, string];
  return `the roll of HAProxy's pods stopped: ${text}. The other nodes keep their former pods, which serve. Look: kubectl -n ${NAMESPACE} describe pods -l ${label}=${value}. Then correct the configuration, or set it back, and run pulumi up`;
}

function foreign(isGone: boolean): string {
  const what = isGone
    ? "is gone from the cluster"
    : "in the cluster is not the one of this program";
  return `the DaemonSet ${NAMESPACE}/${WORKLOAD} ${what}: run pulumi up --refresh`;
}
