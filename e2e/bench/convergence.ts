import {
  DEFAULT_DRAINS,
  underLoad,
  waitUntilHealthy,
  type ScenarioContext,
} from "../scenario/scenarios";
import { DemoCluster } from "../scenario/lab-cluster";
import { clusterConfig, startCluster, type ClusterOverrides } from "../scenario/lab-stack";
import type { Lab } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import { DEFAULT_PORTS } from "../../names";
import { apiStops } from "./api-stops";
import { Bench } from "./bench";
import { consumption } from "./consumption";
import type { ConvergenceReport } from "./report";

export interface ConvergenceOptions {
  /** Changes of the ConfigMap that are measured; of the EndpointSlice a third as many. */
  readonly changes: number;
  readonly log: (line: string) => void;
}

/** The whole benchmark on a lab of three machines, which it leaves up. */
export async function convergence(
  lab: Lab,
  { changes, log }: ConvergenceOptions,
): Promise<ConvergenceReport> {
  const {
    engine,
    kubeconfig,
    endpoint,
    load: first,
  } = await startCluster(lab, { log, load: true });
  if (first === undefined) throw new Error("there is no load");
  let load: Load = first;
  try {
    const stageOf = (present: Load): ScenarioContext => ({
      cluster: new DemoCluster(lab, DEFAULT_PORTS),
      load: present,
      signal: new AbortController().signal,
      log,
      changeSettings: () => change({ haproxy: { timeouts: { queue: "2500ms" } } }),
      drains: DEFAULT_DRAINS,
    });
    const change = async (settings: ClusterOverrides) => {
      log(`pulumi up with ${JSON.stringify(settings)}`);
      engine.setConfig(clusterConfig(lab, settings));
      await engine.up();
      await waitUntilHealthy(stageOf(load));
    };
    const bench = new Bench(lab, stageOf(first), kubeconfig);
    await waitUntilHealthy(stageOf(first));
    await underLoad(stageOf(first));
    const configMap = await bench.configMap(changes);
    const reloads = await bench.reloads();
    const restarts = await bench.restarts();
    await first.stop();
    const used = await consumption(stageOf(first), bench.api);
    // each measured address is to be a new one, so the former one must not stay
    await change({ discovery: "endpoints", updater: { retain: "0s" } });
    load = startLoad({ endpoint, kubeconfig });
    await underLoad(stageOf(load));
    const endpoints = await new Bench(lab, stageOf(load), kubeconfig).endpoints(
      Math.ceil(changes / 3),
    );
    await load.stop();
    await change({ discovery: "endpoints" });
    const real = await apiStops(stageOf(load));
    return {
      machines: lab.machines.map(({ name }) => name),
      plugins: engine.plugins,
      series: [...configMap.series, ...endpoints.series, ...real],
      costs: [configMap.cost, endpoints.cost, reloads, restarts],
      consumption: used,
    };
  } finally {
    await load.kill();
  }
}
