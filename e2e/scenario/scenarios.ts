import { haproxy, updater } from "../../stacks/schema-haproxy";
import type { Load } from "../load/load";
import { HAPROXY_UNIT } from "../../names";
import type { DemoCluster } from "./lab-cluster";
import { waitUntil } from "./wait";

/** What a phase promises. */
export interface Expectation {
  /** No request fails, but for those in flight at a kill. */
  readonly nothingFails: boolean;
  /** Longest time without an answer for new connections, in ms. */
  readonly maxGapMs?: number;
}

/** What the acts work with. */
export interface ScenarioContext {
  readonly cluster: DemoCluster;
  readonly load: Load;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** `up` with another setting of HAProxy. */
  readonly changeSettings: () => Promise<void>;
  /** As the cluster is configured. */
  readonly drains: Drains;
}

/** How long connections are kept that nobody new may join. In ms. */
export interface Drains {
  /** By a HAProxy that stops. */
  readonly stoppedMs: number;
  /** To a backend that was removed. */
  readonly removedMs: number;
}

/** As without any configuration. */
export const DEFAULT_DRAINS: Drains = {
  stoppedMs: haproxy.parse(undefined).timeouts.hardStopAfterMs,
  removedMs: updater.parse(undefined).drainSeconds * 1000,
};

/** One thing that is done to the cluster under load. */
export interface Scenario {
  readonly name: string;
  readonly promise: Expectation;
  /** Does it and waits until the cluster is whole again. */
  run(context: ScenarioContext): Promise<void>;
}

/** For everything that kubelet and the API servers do; slow machines need minutes. */
const DEADLINE_SECONDS = 300;

/** New connections under load that follow each act's last condition: 5 s at the usual rate. */
const REQUESTS_AFTER = 100;

/** A busy machine begins a drain, and notices its end, later by up to this. */
const CUT_LATE_MS = 15_000;

const NOTHING_FAILS: Expectation = { nothingFails: true };

/**
 * The acts, in order, for a cluster of these control-plane nodes; the first one has the endpoint. No machine's container is killed more often
 * than twice: kubelet would begin to wait before it starts it again.
 */
export function scenarios(
  controlPlaneNodes: readonly { name: string; address: string }[],
  apiPort: number,
): Scenario[] {
  const head = controlPlaneNodes[0]!.name;
  const last = controlPlaneNodes.at(-1)!;
  const alone = controlPlaneNodes.length === 1;
  return [
    ...(alone ? [] : backendScenarios(head, last, apiPort)),
    podsDeleted(head, controlPlaneNodes.length),
    haproxySignal("HAProxy killed", head, "KILL", NOTHING_FAILS),
    haproxySignal("HAProxy stopped", head, "STOP", { nothingFails: false, maxGapMs: 6000 }),
    // alone there is no other API server that could serve
    ...(alone ? [] : [apiKilled("API server killed, endpoint's machine", head)]),
    ...(alone ? [] : [apiKilled("API server killed, another machine", controlPlaneNodes[1]!.name)]),
  ];
}

/** A host without a forward is silent while its HAProxy starts anew: requests under way have 2 s, slow machines need more to start. */
const RESTART: Expectation = { nothingFails: false, maxGapMs: 6000 };

/** Three questions of 1 s with 1 s in between, and a start. */
const HUNG: Expectation = { nothingFails: false, maxGapMs: 12_000 };

/** The acts in topology external, with HAProxy as a service of the control-plane nodes. */
export function externalScenarios(
  controlPlaneNodes: readonly { name: string; address: string }[],
  apiPort: number,
): Scenario[] {
  const head = controlPlaneNodes[0]!.name;
  const alone = controlPlaneNodes.length === 1;
  return [
    ...(alone ? [] : backendScenarios(head, controlPlaneNodes.at(-1)!, apiPort)),
    settingsChanged(),
    systemctl("reload", head, NOTHING_FAILS),
    systemctl("restart", head, RESTART),
    haproxySignal("HAProxy killed", head, "KILL", RESTART),
    haproxySignal("HAProxy stopped", head, "STOP", HUNG),
    ...(alone ? [] : [apiKilled("API server killed, endpoint's machine", head)]),
    ...(alone ? [] : [apiKilled("API server killed, another machine", controlPlaneNodes[1]!.name)]),
  ];
}

function settingsChanged(): Scenario {
  return {
    name: "settings rolled",
    promise: NOTHING_FAILS,
    async run(context) {
      await keptUntilCut(context, Date.now(), context.drains.stoppedMs);
      await context.changeSettings();
      await waitUntilHealthy(context);
      await underLoad(context);
    },
  };
}

function systemctl(verb: "reload" | "restart", machine: string, promise: Expectation): Scenario {
  return {
    name: `systemctl ${verb}`,
    promise,
    async run(context) {
      const command = `systemctl ${verb} ${HAPROXY_UNIT}`;
      if (verb === "reload") await keptUntilCut(context, Date.now(), context.drains.stoppedMs);
      await context.cluster.lab.exec(machine, command, { timeoutMs: 60_000 });
      await waitUntilHealthy(context);
      await underLoad(context);
    },
  };
}

/** Waits until this many new connections were served, so that an act's effects meet requests. */
export async function underLoad(
  context: ScenarioContext,
  requests = REQUESTS_AFTER,
): Promise<void> {
  const before = (await context.load.current()).newConnections.ok;
  await until(context, `${requests} more requests`, async () => {
    return (await context.load.current()).newConnections.ok >= before + requests;
  });
}

/** Waits until all pods are ready, HAProxy listens and every updater sees all API servers ready. */
export function waitUntilHealthy(context: ScenarioContext): Promise<boolean> {
  const { cluster } = context;
  const { controlPlaneNodes } = cluster;
  return until(context, "HAProxy to serve on all its machines", async () => {
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

function until<T>(
  context: ScenarioContext,
  what: string,
  probe: () => Promise<T | undefined | false>,
) {
  return waitUntil(what, { seconds: DEADLINE_SECONDS, signal: context.signal }, probe);
}

function backendScenarios(
  head: string,
  { name, address }: { name: string; address: string },
  apiPort: number,
): Scenario[] {
  const seen = async (context: ScenarioContext, there: boolean) => {
    const statuses = await Promise.all(
      context.cluster.controlPlaneNodes.map((machine) => context.cluster.updater(machine.name)),
    );
    return statuses.every(({ backends }) => {
      const backend = backends.find((candidate) => candidate.name === name);
      return there ? backend?.state === "ready" : backend === undefined;
    });
  };
  const scenario = (title: string, value: string | null): Scenario => ({
    name: title,
    promise: NOTHING_FAILS,
    async run(context) {
      const patchedAt = Date.now();
      await context.cluster.patchBackend(head, name, value);
      if (value === null) {
        await keptUntilCut(context, patchedAt, context.drains.removedMs);
      }
      const what = `every HAProxy to ${value === null ? "be rid of" : "use"} ${name}`;
      await until(context, what, () => seen(context, value !== null));
      await underLoad(context);
    },
  });
  return [scenario("key removed", null), scenario("key put back", `${address}:${apiPort}`)];
}

/**
 * Connections from before `since` are ended after `drainMs`. TLS passes through, so nobody can see whether one of them has a request on its
 * way then: it is lost in flight.
 * @param lateMs how late `since` may be: no time, where it was taken before the drain was asked for.
 */
export function keptUntilCut(
  { load }: Pick<ScenarioContext, "load">,
  since: number,
  drainMs: number,
  lateMs = 0,
): Promise<void> {
  const cut = since + drainMs;
  return load.markKill({ from: cut - lateMs, to: cut + CUT_LATE_MS, openedBefore: since });
}

function podsDeleted(head: string, count: number): Scenario {
  return {
    name: "pods deleted",
    promise: NOTHING_FAILS,
    async run(context) {
      const old = new Set((await context.cluster.pods(head)).map(({ uid }) => uid));
      const deletedAt = Date.now();
      await context.cluster.deletePods(head);
      await until(context, `${count} new pods`, async () => {
        const fresh = (await context.cluster.pods(head)).filter(({ uid }) => !old.has(uid));
        return fresh.length === count;
      });
      await keptUntilCut(context, deletedAt, context.drains.stoppedMs);
      await waitUntilHealthy(context);
      await underLoad(context);
    },
  };
}

function haproxySignal(
  name: string,
  machine: string,
  signal: "KILL" | "STOP",
  promise: Expectation,
): Scenario {
  return {
    name,
    promise,
    async run(context) {
      const { cluster, load } = context;
      await underLoad(context, 20);
      const old = await cluster.pids(machine, "haproxy");
      const window = await cluster.signal(machine, "haproxy", signal);
      context.log(`${signal} of HAProxy on ${machine}: took ${window.to - window.from} ms`);
      await load.markKill(window);
      await until(context, `the old HAProxy on ${machine} to be gone`, async () => {
        const now = await cluster.pids(machine, "haproxy");
        return !now.some((pid) => old.includes(pid));
      });
      await underLoad(context);
      await waitUntilHealthy(context);
      await underLoad(context);
    },
  };
}

function apiKilled(name: string, machine: string): Scenario {
  return {
    name,
    promise: NOTHING_FAILS,
    async run(context) {
      const { cluster, load } = context;
      await underLoad(context, 20);
      const old = await cluster.pids(machine, "kube-apiserver");
      const window = await cluster.signal(machine, "kube-apiserver", "KILL");
      context.log(`KILL of the API server on ${machine}: took ${window.to - window.from} ms`);
      await load.markKill(window);
      await until(context, `a new API server on ${machine}`, async () => {
        const now = await cluster.pids(machine, "kube-apiserver");
        return now.length > 0 && !now.some((pid) => old.includes(pid));
      });
      await waitUntilHealthy(context);
      await underLoad(context);
    },
  };
}
