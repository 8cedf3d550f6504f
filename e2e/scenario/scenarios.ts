import { HAPROXY_DEFAULTS } from "../../haproxy/config";
import type { Load } from "../load/load";
import { HAPROXY_UNIT } from "../../names";
import type { DemoCluster } from "./lab-cluster";
import { UPDATER_DEFAULTS } from "../../updater/settings";
import { waitUntil } from "./wait";

/** What a phase promises. */
export interface Pledge {
  /** No request fails, but for those in flight at a kill. */
  readonly nothingFails: boolean;
  /** Longest time without an answer for new connections, in ms. */
  readonly maxGapMs?: number;
}

/** What the acts work with. */
export interface Stage {
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
  stoppedMs: HAPROXY_DEFAULTS.timeouts.hardStopAfterMs,
  removedMs: UPDATER_DEFAULTS.drainSeconds * 1000,
};

/** One thing that is done to the cluster under load. */
export interface Act {
  readonly name: string;
  readonly promise: Pledge;
  /** Does it and waits until the cluster is whole again. */
  run(stage: Stage): Promise<void>;
}

/** For everything that kubelet and the API servers do; slow machines need minutes. */
const DEADLINE_SECONDS = 300;

/** New connections under load that follow each act's last condition: 5 s at the usual rate. */
const REQUESTS_AFTER = 100;

/** A busy machine begins a drain, and notices its end, later by up to this. */
const CUT_LATE_MS = 15_000;

const NOTHING_FAILS: Pledge = { nothingFails: true };

/**
 * The acts, in order, for a cluster of these masters; the first one has the endpoint. No machine's container is killed more often
 * than twice: kubelet would begin to wait before it starts it again.
 */
export function acts(
  masters: readonly { name: string; address: string }[],
  apiPort: number,
): Act[] {
  const head = masters[0]!.name;
  const last = masters.at(-1)!;
  const alone = masters.length === 1;
  return [
    ...(alone ? [] : backendActs(head, last, apiPort)),
    podsDeleted(head, masters.length),
    haproxySignal("HAProxy killed", head, "KILL", NOTHING_FAILS),
    haproxySignal("HAProxy stopped", head, "STOP", { nothingFails: false, maxGapMs: 6000 }),
    // alone there is no other API server that could serve
    ...(alone ? [] : [apiKilled("API server killed, endpoint's machine", head)]),
    ...(alone ? [] : [apiKilled("API server killed, another machine", masters[1]!.name)]),
  ];
}

/** A host without a forward is silent while its HAProxy starts anew: requests under way have 2 s, slow machines need more to start. */
const RESTART: Pledge = { nothingFails: false, maxGapMs: 6000 };

/** Three questions of 1 s with 1 s in between, and a start. */
const HUNG: Pledge = { nothingFails: false, maxGapMs: 12_000 };

/** The acts in topology external, with HAProxy as a service of the masters. */
export function externalActs(
  masters: readonly { name: string; address: string }[],
  apiPort: number,
): Act[] {
  const head = masters[0]!.name;
  const alone = masters.length === 1;
  return [
    ...(alone ? [] : backendActs(head, masters.at(-1)!, apiPort)),
    settingsChanged(),
    systemctl("reload", head, NOTHING_FAILS),
    systemctl("restart", head, RESTART),
    haproxySignal("HAProxy killed", head, "KILL", RESTART),
    haproxySignal("HAProxy stopped", head, "STOP", HUNG),
    ...(alone ? [] : [apiKilled("API server killed, endpoint's machine", head)]),
    ...(alone ? [] : [apiKilled("API server killed, another machine", masters[1]!.name)]),
  ];
}

function settingsChanged(): Act {
  return {
    name: "settings rolled",
    promise: NOTHING_FAILS,
    async run(stage) {
      await keptUntilCut(stage, Date.now(), stage.drains.stoppedMs);
      await stage.changeSettings();
      await whole(stage);
      await underLoad(stage);
    },
  };
}

function systemctl(verb: "reload" | "restart", machine: string, promise: Pledge): Act {
  return {
    name: `systemctl ${verb}`,
    promise,
    async run(stage) {
      const command = `systemctl ${verb} ${HAPROXY_UNIT}`;
      if (verb === "reload") await keptUntilCut(stage, Date.now(), stage.drains.stoppedMs);
      await stage.cluster.lab.exec(machine, command, { timeoutMs: 60_000 });
      await whole(stage);
      await underLoad(stage);
    },
  };
}

/** Waits until this many new connections were served, so that an act's effects meet requests. */
export async function underLoad(stage: Stage, requests = REQUESTS_AFTER): Promise<void> {
  const before = (await stage.load.current()).newConnections.ok;
  await until(stage, `${requests} more requests`, async () => {
    return (await stage.load.current()).newConnections.ok >= before + requests;
  });
}

/** Waits until all pods are ready, HAProxy listens and every updater sees all API servers ready. */
export function whole(stage: Stage): Promise<boolean> {
  const { cluster } = stage;
  const { masters } = cluster;
  return until(stage, "HAProxy to serve on all its machines", async () => {
    if (cluster.topology === "daemonset") {
      const ready = (await cluster.pods(masters[0]!.name)).filter((pod) => pod.ready);
      if (ready.length !== masters.length) return false;
    }
    for (const { name } of cluster.balancers) {
      if (!(await cluster.haproxyListens(name))) return false;
      const { backends } = await cluster.updater(name);
      if (backends.filter(({ state }) => state === "ready").length !== masters.length) return false;
    }
    return true;
  });
}

function until<T>(stage: Stage, what: string, probe: () => Promise<T | undefined | false>) {
  return waitUntil(what, { seconds: DEADLINE_SECONDS, signal: stage.signal }, probe);
}

function backendActs(
  head: string,
  { name, address }: { name: string; address: string },
  apiPort: number,
): Act[] {
  const seen = async (stage: Stage, there: boolean) => {
    const statuses = await Promise.all(
      stage.cluster.masters.map((machine) => stage.cluster.updater(machine.name)),
    );
    return statuses.every(({ backends }) => {
      const backend = backends.find((candidate) => candidate.name === name);
      return there ? backend?.state === "ready" : backend === undefined;
    });
  };
  const act = (title: string, value: string | null): Act => ({
    name: title,
    promise: NOTHING_FAILS,
    async run(stage) {
      const patchedAt = Date.now();
      await stage.cluster.patchBackend(head, name, value);
      if (value === null) {
        await keptUntilCut(stage, patchedAt, stage.drains.removedMs);
      }
      const what = `every HAProxy to ${value === null ? "be rid of" : "use"} ${name}`;
      await until(stage, what, () => seen(stage, value !== null));
      await underLoad(stage);
    },
  });
  return [act("key removed", null), act("key put back", `${address}:${apiPort}`)];
}

/**
 * Connections from before `since` are ended after `drainMs`. TLS passes through, so nobody can see whether one of them has a request on its
 * way then: it is lost in flight.
 * @param lateMs how late `since` may be: no time, where it was taken before the drain was asked for.
 */
export function keptUntilCut(
  { load }: Pick<Stage, "load">,
  since: number,
  drainMs: number,
  lateMs = 0,
): Promise<void> {
  const cut = since + drainMs;
  return load.markKill({ from: cut - lateMs, to: cut + CUT_LATE_MS, openedBefore: since });
}

function podsDeleted(head: string, count: number): Act {
  return {
    name: "pods deleted",
    promise: NOTHING_FAILS,
    async run(stage) {
      const old = new Set((await stage.cluster.pods(head)).map(({ uid }) => uid));
      const deletedAt = Date.now();
      await stage.cluster.deletePods(head);
      await until(stage, `${count} new pods`, async () => {
        const fresh = (await stage.cluster.pods(head)).filter(({ uid }) => !old.has(uid));
        return fresh.length === count;
      });
      await keptUntilCut(stage, deletedAt, stage.drains.stoppedMs);
      await whole(stage);
      await underLoad(stage);
    },
  };
}

function haproxySignal(
  name: string,
  machine: string,
  signal: "KILL" | "STOP",
  promise: Pledge,
): Act {
  return {
    name,
    promise,
    async run(stage) {
      const { cluster, load } = stage;
      await underLoad(stage, 20);
      const old = await cluster.pids(machine, "haproxy");
      const window = await cluster.signal(machine, "haproxy", signal);
      stage.log(`${signal} of HAProxy on ${machine}: took ${window.to - window.from} ms`);
      await load.markKill(window);
      await until(stage, `the old HAProxy on ${machine} to be gone`, async () => {
        const now = await cluster.pids(machine, "haproxy");
        return !now.some((pid) => old.includes(pid));
      });
      await underLoad(stage);
      await whole(stage);
      await underLoad(stage);
    },
  };
}

function apiKilled(name: string, machine: string): Act {
  return {
    name,
    promise: NOTHING_FAILS,
    async run(stage) {
      const { cluster, load } = stage;
      await underLoad(stage, 20);
      const old = await cluster.pids(machine, "kube-apiserver");
      const window = await cluster.signal(machine, "kube-apiserver", "KILL");
      stage.log(`KILL of the API server on ${machine}: took ${window.to - window.from} ms`);
      await load.markKill(window);
      await until(stage, `a new API server on ${machine}`, async () => {
        const now = await cluster.pids(machine, "kube-apiserver");
        return now.length > 0 && !now.some((pid) => old.includes(pid));
      });
      await whole(stage);
      await underLoad(stage);
    },
  };
}
