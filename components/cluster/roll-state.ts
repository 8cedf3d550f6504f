/** What a roll of HAProxy's pods has reached, from what the API says. Pure. */
import { TEMPLATE_ANNOTATION } from "../../names";

/** A configured control-plane node. */
export interface RollNode {
  readonly name: string;
  readonly address: string;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

interface Ended {
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: Ended;
  };
  readonly lastState?: { readonly terminated?: Ended };
}

interface Metadata {
  readonly name: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

/** The fields of a Node that count. */
export interface Node {
  readonly metadata: Metadata;
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly Condition[];
  };
}

/** The fields of a Pod that count. */
export interface Pod {
  readonly metadata: Metadata;
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** Nodes with the label of a control-plane node, HAProxy's pods, and the API server's clock. */
export interface RollView {
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly nowMs: number;
}

/** What the program wants. */
export interface RollGoal {
  /** Hash of the pods' template. */
  readonly template: string;
  readonly nodes: readonly RollNode[];
  readonly minReadySeconds: number;
}

/** A new pod that does not start. */
export interface BrokenPod {
  /** The same as long as it is the same container of the same pod. */
  readonly key: string;
  /** Node, pod, container and its last state. */
  readonly text: string;
}

export interface RollState {
  /** Nodes that work and have a new pod that works. */
  readonly updated: readonly string[];
  /** Nodes that work and do not have one yet, with the reason. */
  readonly waiting: readonly { readonly node: string; readonly reason: string }[];
  readonly broken: BrokenPod | undefined;
  /** Nodes whose kubelet does not report: their pods cannot be replaced. */
  readonly off: readonly string[];
  /** Configured nodes that are no Nodes with the label of a control-plane node. */
  readonly missing: readonly string[];
  /**
   * A former pod that nothing but a node that is off keeps from being replaced: the controller
   * counts that node's pod as the one unavailable pod that it allows.
   */
  readonly heldUp: string | undefined;
}

export function rollState(view: RollView, goal: RollGoal): RollState {
  const off = view.nodes.filter(isOff).map(({ metadata }) => metadata.name);
  const living = view.nodes.filter((node) => !isOff(node));
  const looks = living.map(({ metadata: { name } }) => lookAt(name, view, goal));
  const waiting = looks.flatMap(({ node, reason }) =>
    reason === undefined ? [] : [{ node, reason }],
  );
  const former = looks.filter(({ formerPod }) => formerPod !== undefined);
  const onlyFormerWait = waiting.length > 0 && waiting.length === former.length;
  return {
    updated: looks.filter(({ reason }) => reason === undefined).map(({ node }) => node),
    waiting,
    broken: looks.find(({ broken }) => broken !== undefined)?.broken,
    off,
    missing: goal.nodes
      .filter((node) => !view.nodes.some((found) => isSame(found, node)))
      .map(({ name }) => name),
    heldUp: off.length > 0 && onlyFormerWait ? former[0]?.formerPod : undefined,
  };
}

/** Not merely NotReady: a fresh cluster has no CNI yet, and its kubelets run HAProxy all the same. */
function isOff({ status }: Node): boolean {
  return conditionOf(status?.conditions, "Ready")?.status === "Unknown";
}

function isSame({ metadata, status }: Node, { name, address }: RollNode): boolean {
  return (
    metadata.name === name || (status?.addresses?.some((each) => each.address === address) ?? false)
  );
}

interface Look {
  readonly node: string;
  /** Undefined: its new pod works. */
  readonly reason?: string;
  readonly broken?: BrokenPod;
  /** A former pod that works and is not being deleted. */
  readonly formerPod?: string;
}

function lookAt(node: string, { pods, nowMs }: RollView, goal: RollGoal): Look {
  const here = pods.filter(({ spec }) => spec?.nodeName === node);
  const stopping = here.find(({ metadata }) => metadata.deletionTimestamp !== undefined);
  const pod = here.find(({ metadata }) => metadata.deletionTimestamp === undefined);
  if (pod === undefined) {
    const reason = stopping === undefined ? "no pod yet" : `pod ${stopping.metadata.name} stops`;
    return { node, reason };
  }
  const { name, annotations, uid } = pod.metadata;
  const ready = conditionOf(pod.status?.conditions, "Ready");
  if (annotations?.[TEMPLATE_ANNOTATION] !== goal.template) {
    const reason = `pod ${name} is not replaced yet`;
    return ready?.status === "True" ? { node, reason, formerPod: name } : { node, reason };
  }
  if (ready?.status === "True") {
    const sinceMs = Date.parse(ready.lastTransitionTime ?? "") || 0;
    if (nowMs - sinceMs >= goal.minReadySeconds * 1000) return { node };
    return { node, reason: `pod ${name} has just become ready` };
  }
  const problem = problemOf(pod);
  const reason = `pod ${name}: ${problem?.text ?? stateOf(pod)}`;
  if (problem === undefined) return { node, reason };
  const key = `${uid ?? name}/${problem.container}`;
  return { node, reason, broken: { key, text: `${node}: ${reason}` } };
}

/** Reasons of a waiting container that pass by themselves. */
const STARTING: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

function problemOf({ status }: Pod): { container: string; text: string } | undefined {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { name, ready, restartCount = 0, state, lastState } of all) {
    if (ready === true) continue;
    const waiting = state?.waiting;
    const ended = state?.terminated ?? lastState?.terminated;
    const failed = ended !== undefined && (restartCount > 0 || ended.exitCode !== 0);
    const stuck = waiting?.reason !== undefined && !STARTING.has(waiting.reason);
    if (!failed && !stuck) continue;
    const details = [
      ...(waiting?.reason === undefined ? [] : [sentence(waiting.reason, waiting.message)]),
      ...(failed ? [endedText(ended, restartCount)] : []),
    ];
    return { container: name, text: `container ${name}: ${details.join("; ")}` };
  }
  return undefined;
}

function endedText({ exitCode, reason, message }: Ended, restarts: number): string {
  const why = sentence(`it ended with exit code ${exitCode ?? "unknown"}`, reason);
  const times = restarts === 0 ? "" : `, restarted ${restarts} times`;
  return sentence(`${why}${times}`, message);
}

function sentence(text: string, more: string | undefined): string {
  return more === undefined || more === "" ? text : `${text}: ${more.trim().slice(0, 500)}`;
}

/** A pod that has no problem, and is not ready. */
function stateOf({ status }: Pod): string {
  const scheduled = conditionOf(status?.conditions, "PodScheduled");
  if (scheduled?.status === "False") return `not scheduled: ${scheduled.message ?? ""}`;
  const waiting = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    .filter(({ ready }) => ready !== true)
    .map(({ name, state }) => `container ${name}: ${state?.waiting?.reason ?? "not ready"}`);
  return waiting.length === 0 ? (status?.phase ?? "unknown") : waiting.join(", ");
}

function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
