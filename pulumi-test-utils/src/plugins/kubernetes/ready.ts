import { setTimeout as sleep } from "node:timers/promises";
import { isObject, type Properties } from "../../wire";
import type { Api } from "./api";
import { annotation, isAnnotated, type KubernetesObject } from "./object";

/** Interval between two reads of an object, in milliseconds. */
const POLL_MS = 500;

/** Fixed in the provider, independent of the timeouts. */
const TOKEN_LIMIT_MS = 5000;

/** Condition for an object: undefined if it is met, else what is missing. */
type Condition = (object: KubernetesObject) => string | undefined;

/** The object that did not become ready. */
export class NotReady extends Error {
  constructor(
    message: string,
    readonly object: KubernetesObject,
    readonly reasons: readonly string[],
  ) {
    super(message);
  }
}

/** Condition to wait for, or undefined. */
export function conditionOf(object: KubernetesObject): Condition | undefined {
  switch (`${object.apiVersion}/${object.kind}`) {
    case "apps/v1/DaemonSet":
      return daemonSet;
    case "v1/Secret":
      return object.type === "kubernetes.io/service-account-token" ? token : undefined;
    default:
      return undefined;
  }
}

/**
 * The condition of the annotation `pulumi.com/waitFor`: it replaces the built-in one of a write, not
 * that of a read.
 *
 * @throws for any form but `jsonpath={.FIELD...}=VALUE`
 */
function customCondition(text: string): Condition | undefined {
  if (text === "") return undefined;
  const [, path, value] = /^jsonpath=\{((?:\.\w+)+)\}=(.+)$/.exec(text) ?? [];
  if (path === undefined) {
    throw new Error(`stand-in of the kubernetes provider: pulumi.com/waitFor ${text} is not there`);
  }
  return (object) => {
    const found = path
      .slice(1)
      .split(".")
      .reduce<unknown>((node, key) => (isObject(node) ? node[key] : undefined), object);
    return found === value ? undefined : `Waiting for ${text.slice("jsonpath=".length)}`;
  };
}

/** Settings of a wait. */
export interface WaitOptions {
  readonly inputs: KubernetesObject;
  readonly timeoutMs: number;
  readonly status: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Waits until an object is ready and returns it.
 *
 * @throws NotReady at the deadline or when the operation is cancelled
 */
export async function untilReady(
  api: Api,
  made: KubernetesObject,
  options: WaitOptions,
): Promise<KubernetesObject> {
  const condition = customCondition(annotation(options.inputs, "waitFor")) ?? conditionOf(made);
  if (condition === undefined || isAnnotated(options.inputs, "skipAwait")) return made;
  const name = made.metadata?.name ?? "";
  const isToken = made.kind === "Secret";
  const deadline = Date.now() + (isToken ? TOKEN_LIMIT_MS : options.timeoutMs);
  let live = made;
  let shown = "";
  for (;;) {
    const missing = condition(live);
    if (missing === undefined) return live;
    if (missing !== shown) options.status(missing);
    shown = missing;
    if (options.signal.aborted) {
      throw new NotReady(`Resource operation was cancelled for "${name}"`, live, [missing]);
    }
    if (Date.now() >= deadline) {
      const message = isToken
        ? `Timeout occurred polling for '${name}'`
        : "timed out waiting for the condition";
      throw new NotReady(message, live, [missing]);
    }
    await sleep(POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
    live = await look(api, made, live);
  }
}

/** The live object. If the API server does not answer, the request is repeated later. */
async function look(
  api: Api,
  made: KubernetesObject,
  last: KubernetesObject,
): Promise<KubernetesObject> {
  try {
    const found: KubernetesObject = await api.request(
      "GET",
      await api.path(made, made.metadata?.name),
    );
    // ignores the status of an older generation
    const isStale = (found.metadata?.generation ?? 0) < (made.metadata?.generation ?? 0);
    return isStale ? last : found;
  } catch {
    return last;
  }
}

/** kstatus "Current" of a DaemonSet. */
function daemonSet(object: KubernetesObject): string | undefined {
  const status: Properties = isObject(object.status) ? object.status : {};
  const generation = object.metadata?.generation ?? 0;
  const observed = Number(status.observedGeneration ?? 0);
  if (observed !== generation) {
    return `DaemonSet generation is ${generation}, but latest observed generation is ${observed}`;
  }
  if (status.desiredNumberScheduled === undefined) {
    return "Missing .status.desiredNumberScheduled";
  }
  const desired = Number(status.desiredNumberScheduled);
  const counts = [
    ["Current", status.currentNumberScheduled],
    ["Updated", status.updatedNumberScheduled],
    ["Available", status.numberAvailable],
    ["Ready", status.numberReady],
  ] as const;
  const low = counts.find(([, count]) => Number(count ?? 0) < desired);
  return low === undefined ? undefined : `${low[0]}: ${Number(low[1] ?? 0)}/${desired}`;
}

function token(object: KubernetesObject): string | undefined {
  const filled = isObject(object.data) && Object.keys(object.data).length > 0;
  return filled ? undefined : "the token is not there yet";
}
