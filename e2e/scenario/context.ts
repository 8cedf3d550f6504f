import { haproxy, updater } from "../../stacks/schema-haproxy";
import type { Load } from "../load/load";
import type { LabCluster } from "./lab-cluster";
import { waitUntil } from "../../tools/src/index";

/** What scenarios work with. */
export interface ScenarioContext {
  readonly cluster: LabCluster;
  readonly load: Load;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** `up` with a changed setting of HAProxy. */
  readonly changeSettings: () => Promise<void>;
  /** As the cluster is configured. */
  readonly drains: Drains;
}

/** For how long existing connections are kept when no new ones are accepted, in ms. */
export interface Drains {
  /** By a HAProxy that stops. */
  readonly stoppedMs: number;
  /** To a backend that was removed. */
  readonly removedMs: number;
}

/** The drains of the default configuration. */
export const DEFAULT_DRAINS: Drains = {
  stoppedMs: haproxy.parse(undefined).timeouts.hardStopAfterMs,
  removedMs: updater.parse(undefined).drainSeconds * 1000,
};

/** For everything that kubelet and the API servers do; slow machines need minutes. */
const DEADLINE_SECONDS = 300;

/** New connections that follow the last condition of a scenario: 5 s at the default rate. */
const REQUESTS_AFTER = 100;

/** A busy machine begins a drain, and notices its end, later by up to this. */
const CUT_LATE_MS = 15_000;

/**
 * Waits until this many more new connections were answered, so that requests meet the effects of a
 * change.
 */
export async function waitForRequests(
  context: ScenarioContext,
  requests = REQUESTS_AFTER,
): Promise<void> {
  const before = (await context.load.current()).newConnections.ok;
  await waitInScenario(context, `${requests} more requests`, async () => {
    return (await context.load.current()).newConnections.ok >= before + requests;
  });
}

/** Waits until all pods are ready, HAProxy listens and every updater sees all API servers ready. */
export function waitUntilHealthy(context: ScenarioContext): Promise<boolean> {
  const { cluster } = context;
  const { controlPlaneNodes } = cluster;
  return waitInScenario(context, "HAProxy to serve on all its machines", async () => {
    if (cluster.topology === "daemonset") {
      const ready = (await cluster.pods(controlPlaneNodes[0]!.name)).filter((pod) => pod.ready);
      if (ready.length !== controlPlaneNodes.length) return false;
    }
    for (const { name } of cluster.loadBalancers) {
      if (!(await cluster.haproxyListens(name))) return false;
      const { backends } = await cluster.updater(name);
      if (backends.filter(({ state }) => state === "ready").length !== controlPlaneNodes.length)
        return false;
    }
    return true;
  });
}

/** `waitUntil` with the deadline and the signal of a scenario. */
export function waitInScenario<T>(
  { signal }: ScenarioContext,
  what: string,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  return waitUntil(what, { seconds: DEADLINE_SECONDS, signal }, probe);
}

/**
 * Announces the end of a drain to the load: connections opened before `since` are cut after
 * `drainMs`. TLS passes through, so HAProxy cannot see whether a request is in flight on one of
 * them.
 * @param lateMs how late `since` may be. @default 0, for a time taken before the drain was
 * requested
 */
export function markDrainEnd(
  { load }: Pick<ScenarioContext, "load">,
  since: number,
  drainMs: number,
  lateMs = 0,
): Promise<void> {
  const cut = since + drainMs;
  return load.markKill({ from: cut - lateMs, to: cut + CUT_LATE_MS, openedBefore: since });
}
