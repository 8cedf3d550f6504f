import { setTimeout as sleep } from "node:timers/promises";
import { Lab } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import {
  DEFAULT_DRAINS,
  waitForRequests,
  waitUntilHealthy,
  type ScenarioContext,
} from "../scenario/context";
import type { LabCluster } from "../scenario/lab-cluster";
import { setLoadCredentials } from "../scenario/load-credentials";
import { judge, type Expectation } from "../scenario/expectation";
import { ElectionWatch } from "../scenario/etcd-elections";
import type { DemoReport, Step } from "./report";
import { ServerTracker } from "../scenario/server-tracker";
import { waitUntil } from "../../tools/src/index";
import { stageByCloudInit } from "./by-cloud-init";
import { stageByClusterApi } from "./by-cluster-api";
import { stageBySsh } from "./by-ssh";
import type { DemoOptions, Timed } from "./stage";

const NOTHING_FAILS: Expectation = { nothingFails: true };

/** Interval of the progress lines about the load, in ms. */
const PROGRESS_MS = 15_000;

/** How each bootstrap prepares its demo. */
const STAGES = {
  ssh: stageBySsh,
  "cloud-init": stageByCloudInit,
  "cluster-api": stageByClusterApi,
};

/** Runs the whole demo on a lab and leaves the lab up. @throws when a step fails or times out */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { signal, log, topology } = options;
  const steps: Step[] = [];
  const timed: Timed = async (name, action) => {
    const start = performance.now();
    const result = await action();
    steps.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  // the demo starts with bare machines
  await Lab.remove(options.name, log);
  const stage = await STAGES[options.bootstrap](options, timed);
  const { lab, cluster, endpoint, changeSettings } = stage;
  const tracker = new ServerTracker(cluster);
  const elections = new ElectionWatch(cluster);
  const load = startLoad({ endpoint, firstPhase: "bring-up" });
  const context: ScenarioContext = {
    cluster,
    load,
    signal,
    log,
    changeSettings,
    drains: DEFAULT_DRAINS,
  };
  const expectations = new Map<string, Expectation>([
    ["bring-up", NOTHING_FAILS],
    ["handover", NOTHING_FAILS],
  ]);
  const finished = new AbortController();
  const progress = logProgress(load, log, finished.signal);
  const ended = AbortSignal.any([signal, finished.signal]);
  try {
    const watching = Promise.all([
      setLoadCredentials(lab, load, ended),
      ...(topology === "external" ? [] : [openHandover(cluster, load, ended, log)]),
    ]);
    // if the bring-up fails, report its error and not the timeout that follows from it
    watching.catch(() => undefined);
    await stage.bringUp(signal);
    await watching;
    await waitUntilHealthy(context);
    await waitForRequests(context);
    const chosen = options.scenarios;
    for (const scenario of stage.scenarios()) {
      if (chosen?.includes(scenario.name) === false) continue;
      log(`phase: ${scenario.name}`);
      expectations.set(scenario.name, scenario.expectation);
      // no connection from an earlier scenario may affect this one
      await load.phase(scenario.name, { reconnect: true });
      await timed(scenario.name, () => scenario.run(context));
    }
    await load.markElections(await elections.stop());
    const report = await load.stop();
    await tracker.stop();
    const phases = report.phases.map((phase) => judge(phase, expectations.get(phase.name)!));
    return {
      passed: phases.every((phase) => phase.deviations.length === 0),
      plugins: stage.plugins,
      machines: cluster.loadBalancers.map(({ name, address }) => ({ name, address })),
      endpoint: `${endpoint.host}:${endpoint.port}`,
      firstAnswerAt: report.firstAnswerAt,
      steps,
      phases,
      servedBy: tracker.changes,
      timeline: report.timeline,
      generatorLag: report.generatorLag,
      skipped: report.skipped,
    };
  } finally {
    finished.abort();
    await progress;
    await tracker.stop();
    await elections.stop();
    await load.kill();
  }
}

/** Opens the phase of the handover when the DaemonSet exists: its pods need seconds to start. */
async function openHandover(
  cluster: LabCluster,
  load: Load,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  await waitUntil("the DaemonSet", { seconds: 3600, everyMs: 1000, signal }, async () => {
    // machines that boot from user data are added one after the other
    const [initNode] = cluster.controlPlaneNodes;
    return initNode !== undefined && (await cluster.daemonSetExists(initNode.name));
  });
  log("phase: handover");
  await load.phase("handover");
}

async function logProgress(load: Load, log: (line: string) => void, signal: AbortSignal) {
  for (;;) {
    try {
      await sleep(PROGRESS_MS, undefined, { signal });
      const { name, seconds, sent, failed, inFlight } = await load.current();
      if (sent === 0) continue;
      const killed = inFlight > 0 ? `, ${inFlight} in flight at a kill` : "";
      log(`load: ${name}: ${seconds.toFixed(0)} s, ${sent} requests, ${failed} failed${killed}`);
    } catch {
      return;
    }
  }
}
