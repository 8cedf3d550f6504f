import {
  DEFAULT_DRAINS,
  waitForRequests,
  waitUntilHealthy,
  type ScenarioContext,
} from "../scenario/context";
import { LabCluster } from "../scenario/lab-cluster";
import { clusterConfig, startCluster, type ClusterOverrides } from "../scenario/lab-stack";
import type { Lab } from "../../lab/src/index";
import { startLoad, type Load } from "../load/load";
import { DEFAULT_PORTS } from "../../names";
import { apiServerStops } from "./api-server-stops";
import { Measurements } from "./measurements";
import { consumption } from "./updater-consumption";
import type { ConvergenceReport } from "./report";

export interface ConvergenceOptions {
  /** Number of measured changes of the ConfigMap; of the EndpointSlice a third as many. */
  readonly changes: number;
  readonly log: (line: string) => void;
}

/** Runs the whole benchmark on a lab of three machines and leaves the lab up. */
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
    const contextOf = (current: Load): ScenarioContext => ({
      cluster: new LabCluster(lab, DEFAULT_PORTS),
      load: current,
      signal: new AbortController().signal,
      log,
      changeSettings: () => change({ haproxy: { timeouts: { queue: "2500ms" } } }),
      drains: DEFAULT_DRAINS,
    });
    const change = async (settings: ClusterOverrides) => {
      log(`pulumi up with ${JSON.stringify(settings)}`);
      engine.setConfig(clusterConfig(lab, settings));
      await engine.up();
      await waitUntilHealthy(contextOf(load));
    };
    const measurements = new Measurements(lab, contextOf(first), kubeconfig);
    await waitUntilHealthy(contextOf(first));
    await waitForRequests(contextOf(first));
    const configMap = await measurements.configMap(changes);
    const reloads = await measurements.reloads();
    const restarts = await measurements.restarts();
    await first.stop();
    const used = await consumption(contextOf(first), measurements.api);
    // each measured address must be new, so the previous one may not be retained
    await change({ discovery: "endpoints", updater: { retain: "0s" } });
    load = startLoad({ endpoint, kubeconfig });
    await waitForRequests(contextOf(load));
    const endpoints = await new Measurements(lab, contextOf(load), kubeconfig).endpoints(
      Math.ceil(changes / 3),
    );
    await load.stop();
    await change({ discovery: "endpoints" });
    const real = await apiServerStops(contextOf(load));
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
