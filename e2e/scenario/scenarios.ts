import { serviceInstance } from "../../names";
import { markDrainEnd, waitForRequests, waitInScenario, waitUntilHealthy } from "./context";
import type { ScenarioContext } from "./context";
import type { Expectation } from "./expectation";

/** One change or fault of the cluster under load. */
export interface Scenario {
  readonly name: string;
  readonly expectation: Expectation;
  /** Runs it and waits until the cluster is healthy again. */
  run(context: ScenarioContext): Promise<void>;
}

/** Name and address of a control-plane node. */
export interface NodeAddress {
  readonly name: string;
  readonly address: string;
}

const NOTHING_FAILS: Expectation = { nothingFails: true };

/** In a DaemonSet the forward takes over once the probe has killed the hung HAProxy. */
const HUNG_POD: Expectation = { nothingFails: false, longestGapMs: 6000 };

/**
 * Without a forward nothing answers during a restart: 2 s for open requests, and a slow machine's
 * start.
 */
const RESTART: Expectation = { nothingFails: false, longestGapMs: 6000 };

/** Three failed probes of 1 s, 1 s apart, and a start. */
const HUNG_SERVICE: Expectation = { nothingFails: false, longestGapMs: 12_000 };

/**
 * The scenarios for topology daemonset, in order; the first node has the endpoint. No container is
 * killed more than twice on one machine: kubelet would then back off before it starts the container
 * again.
 */
export function daemonsetScenarios(nodes: readonly NodeAddress[], apiPort: number): Scenario[] {
  const [first] = nodes as [NodeAddress];
  return [
    ...backendScenarios(nodes, apiPort),
    podsDeleted(first.name, nodes.length),
    haproxySignal("HAProxy killed", first.name, "KILL", NOTHING_FAILS),
    haproxySignal("HAProxy stopped", first.name, "STOP", HUNG_POD),
    ...apiServerScenarios(nodes),
  ];
}

/**
 * The scenarios for topology external, with HAProxy as a service of the control-plane nodes.
 * @param settings whether `up` can change HAProxy's settings. @default true
 */
export function externalScenarios(
  nodes: readonly NodeAddress[],
  apiPort: number,
  settings = true,
): Scenario[] {
  const [first] = nodes as [NodeAddress];
  return [
    ...backendScenarios(nodes, apiPort),
    ...(settings ? [settingsChanged()] : []),
    systemctl("reload", first.name, NOTHING_FAILS),
    systemctl("restart", first.name, RESTART),
    haproxySignal("HAProxy killed", first.name, "KILL", RESTART),
    haproxySignal("HAProxy stopped", first.name, "STOP", HUNG_SERVICE),
    ...apiServerScenarios(nodes),
  ];
}

function settingsChanged(): Scenario {
  return {
    name: "settings changed",
    expectation: NOTHING_FAILS,
    async run(context) {
      await markDrainEnd(context, Date.now(), context.drains.stoppedMs);
      await context.changeSettings();
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
}

function systemctl(
  verb: "reload" | "restart",
  machine: string,
  expectation: Expectation,
): Scenario {
  return {
    name: `systemctl ${verb}`,
    expectation,
    async run(context) {
      const { haproxyUnit } = serviceInstance(context.cluster.ports.lb);
      const command = `systemctl ${verb} ${haproxyUnit}`;
      if (verb === "reload") await markDrainEnd(context, Date.now(), context.drains.stoppedMs);
      await context.cluster.lab.exec(machine, command, { timeoutMs: 60_000 });
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
}

/** The last node's key is removed and put back. A single node must keep its key. */
function backendScenarios(nodes: readonly NodeAddress[], apiPort: number): Scenario[] {
  if (nodes.length === 1) return [];
  const first = nodes[0]!;
  const { name, address } = nodes.at(-1)!;
  const everyUpdater = async (context: ScenarioContext, uses: boolean) => {
    const statuses = await Promise.all(
      context.cluster.controlPlaneNodes.map((machine) => context.cluster.updater(machine.name)),
    );
    return statuses.every(({ backends }) => {
      const backend = backends.find((candidate) => candidate.name === name);
      return uses ? backend?.state === "ready" : backend === undefined;
    });
  };
  const scenario = (title: string, value: string | null): Scenario => ({
    name: title,
    expectation: NOTHING_FAILS,
    async run(context) {
      const patchedAt = Date.now();
      await context.cluster.patchBackend(first.name, name, value);
      if (value === null) {
        await markDrainEnd(context, patchedAt, context.drains.removedMs);
      }
      const what = `every HAProxy to ${value === null ? "drop" : "use"} ${name}`;
      await waitInScenario(context, what, () => everyUpdater(context, value !== null));
      await waitForRequests(context);
    },
  });
  return [scenario("key removed", null), scenario("key put back", `${address}:${apiPort}`)];
}

function podsDeleted(machine: string, count: number): Scenario {
  return {
    name: "pods deleted",
    expectation: NOTHING_FAILS,
    async run(context) {
      const old = new Set((await context.cluster.pods(machine)).map(({ uid }) => uid));
      const deletedAt = Date.now();
      await context.cluster.deletePods(machine);
      await waitInScenario(context, `${count} new pods`, async () => {
        const fresh = (await context.cluster.pods(machine)).filter(({ uid }) => !old.has(uid));
        return fresh.length === count;
      });
      await markDrainEnd(context, deletedAt, context.drains.stoppedMs);
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
}

function haproxySignal(
  name: string,
  machine: string,
  signal: "KILL" | "STOP",
  expectation: Expectation,
): Scenario {
  return {
    name,
    expectation,
    async run(context) {
      const { cluster, load } = context;
      await waitForRequests(context, 20);
      const old = await cluster.pids(machine, "haproxy");
      const window = await cluster.signal(machine, "haproxy", signal);
      context.log(`SIG${signal} to HAProxy on ${machine} took ${window.to - window.from} ms`);
      await load.markKill(window);
      await waitInScenario(context, `the old HAProxy on ${machine} to be gone`, async () => {
        const now = await cluster.pids(machine, "haproxy");
        return !now.some((pid) => old.includes(pid));
      });
      await waitForRequests(context);
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
}

/** A single node has no other API server that could serve. */
function apiServerScenarios(nodes: readonly NodeAddress[]): Scenario[] {
  const [first, second] = nodes;
  if (first === undefined || second === undefined) return [];
  return [
    apiServerKilled("API server killed, endpoint's machine", first.name),
    apiServerKilled("API server killed, another machine", second.name),
  ];
}

function apiServerKilled(name: string, machine: string): Scenario {
  return {
    name,
    expectation: NOTHING_FAILS,
    async run(context) {
      const { cluster, load } = context;
      await waitForRequests(context, 20);
      const old = await cluster.pids(machine, "kube-apiserver");
      const window = await cluster.signal(machine, "kube-apiserver", "KILL");
      context.log(`SIGKILL to the API server on ${machine} took ${window.to - window.from} ms`);
      await load.markKill(window);
      await waitInScenario(context, `a new API server on ${machine}`, async () => {
        const now = await cluster.pids(machine, "kube-apiserver");
        return now.length > 0 && !now.some((pid) => old.includes(pid));
      });
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
}
