import { setTimeout as sleep } from "node:timers/promises";
import { Lab } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import { DEFAULT_PORTS } from "../../names";
import {
  DEFAULT_DRAINS,
  scenarios,
  externalScenarios,
  underLoad,
  waitUntilHealthy,
  type Expectation,
  type ScenarioContext,
} from "../scenario/scenarios";
import { DemoCluster } from "../scenario/lab-cluster";
import { feedCredentials } from "../scenario/credentials";
import { judge, type DemoReport, type Part } from "./report";
import { clusterConfig, createEngine, endpointOf } from "../scenario/lab-stack";
import { ServerTracker } from "../scenario/server-tracker";
import { waitUntil } from "../scenario/wait";
import type { Topology } from "../../stacks/schema";

export interface DemoOptions {
  /** The lab's name. */
  readonly name: string;
  readonly machines: number;
  readonly topology: Topology;
  /** Aborted: the demo ends as soon as it can. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

const NOTHING_FAILS: Expectation = { nothingFails: true };

/** How often the demo says how the load fares, in ms. */
const HEARTBEAT_MS = 15_000;

/** Runs the whole demo on a lab, which it leaves up. @throws when a step fails or its condition does not come */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { signal, log, topology } = options;
  const external = topology === "external";
  const parts: Part[] = [];
  const timed = async <T>(name: string, action: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await action();
    parts.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  // the demo begins with bare machines
  await Lab.remove(options.name, log);
  const lab = await timed("lab", () => Lab.up({ ...options, log }));
  signal.throwIfAborted();
  const engine = await timed("engine", () => createEngine(lab, { log, overrides: { topology } }));
  const endpoint = endpointOf(clusterConfig(lab));
  const cluster = new DemoCluster(
    lab,
    { ...DEFAULT_PORTS, lb: endpoint.port },
    undefined,
    topology,
  );
  const tracker = new ServerTracker(cluster);
  const load = startLoad({ endpoint, firstPhase: "bring-up" });
  const changeSettings = async () => {
    const changed = { topology, haproxy: { timeouts: { queue: "2500ms" } } };
    engine.setConfig(clusterConfig(lab, changed));
    await engine.up({ signal });
  };
  const context: ScenarioContext = {
    cluster,
    load,
    signal,
    log,
    changeSettings,
    drains: DEFAULT_DRAINS,
  };
  const promises = new Map<string, Expectation>([
    ["bring-up", NOTHING_FAILS],
    ["handover", NOTHING_FAILS],
  ]);
  const beat = new AbortController();
  const heart = heartbeat(load, log, beat.signal);
  const ended = AbortSignal.any([signal, beat.signal]);
  try {
    const watching = Promise.all([
      feedCredentials(lab, load, ended),
      ...(external ? [] : [openHandover(cluster, load, ended, log)]),
    ]);
    // the failure of `up` says more than that of those who wait for its work
    watching.catch(() => undefined);
    await timed("up", () => engine.up({ signal }));
    await watching;
    await waitUntilHealthy(context);
    await underLoad(context);
    const all = external ? externalScenarios : scenarios;
    for (const scenario of all(cluster.controlPlaneNodes, cluster.ports.api)) {
      log(`phase: ${scenario.name}`);
      promises.set(scenario.name, scenario.promise);
      // what they hold on to from before is not what this act is about
      await load.phase(scenario.name, { reconnect: true });
      await timed(scenario.name, () => scenario.run(context));
    }
    const report = await load.stop();
    await tracker.stop();
    const phases = report.phases.map((phase) => judge(phase, promises.get(phase.name)!));
    return {
      passed: phases.every((phase) => phase.broken.length === 0),
      plugins: engine.plugins,
      machines: cluster.controlPlaneNodes.map(({ name, address }) => ({ name, address })),
      endpoint: `${endpoint.host}:${endpoint.port}`,
      firstAnswerAt: report.firstAnswerAt,
      parts,
      phases,
      servedBy: tracker.changes,
      timeline: report.timeline,
      generatorLag: report.generatorLag,
      skipped: report.skipped,
    };
  } finally {
    beat.abort();
    await heart;
    await tracker.stop();
    await load.kill();
  }
}

/** The handover begins when the DaemonSet exists: its pods need seconds to start. */
async function openHandover(
  cluster: DemoCluster,
  load: Load,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  const head = cluster.controlPlaneNodes[0]!.name;
  await waitUntil("the DaemonSet", { seconds: 3600, everyMs: 1000, signal }, () =>
    cluster.daemonSetExists(head),
  );
  log("phase: handover");
  await load.phase("handover");
}

async function heartbeat(load: Load, log: (line: string) => void, signal: AbortSignal) {
  for (;;) {
    try {
      await sleep(HEARTBEAT_MS, undefined, { signal });
      const { name, seconds, sent, failed, inFlightLost } = await load.current();
      if (sent === 0) continue;
      const lost = inFlightLost > 0 ? `, ${inFlightLost} in flight lost` : "";
      log(`load: ${name}: ${seconds.toFixed(0)} s, ${sent} requests, ${failed} failed${lost}`);
    } catch {
      return;
    }
  }
}
