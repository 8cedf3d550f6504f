import { Lab } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import type { Topology } from "../../stacks/schema";
import { DEFAULT_DRAINS, waitUntilHealthy, type ScenarioContext } from "./context";
import { LabCluster } from "./lab-cluster";
import { startCluster, type ClusterOverrides } from "./lab-stack";

export interface LoadedClusterOptions {
  /** The lab's name. */
  readonly name: string;
  readonly topology: Topology;
  /** Changes to the configuration beside the topology. @default none */
  readonly overrides?: (lab: Lab) => ClusterOverrides;
  readonly log: (line: string) => void;
}

/**
 * Runs an action on a healthy cluster of three machines, under load since the first answer. Removes
 * an existing lab of that name first, and the lab at the end.
 */
export async function onLoadedCluster<T>(
  { name, topology, overrides: overridesFor, log }: LoadedClusterOptions,
  action: (context: ScenarioContext) => Promise<T>,
): Promise<T> {
  await Lab.remove(name, log);
  try {
    const lab = await Lab.up({ name, machines: 3, log });
    const overrides = { topology, ...overridesFor?.(lab) };
    const { engine, load, endpoint } = await startCluster(lab, { log, overrides, load: true });
    if (load === undefined) throw new Error("there is no load");
    try {
      const ports = { ...DEFAULT_PORTS, lb: endpoint.port };
      const context: ScenarioContext = {
        cluster: new LabCluster(lab, ports, undefined, topology),
        load,
        signal: new AbortController().signal,
        log,
        changeSettings: () => Promise.reject(new Error("nothing here changes settings")),
        drains: DEFAULT_DRAINS,
      };
      await waitUntilHealthy(context);
      return await action(context);
    } finally {
      await load.kill();
      await engine.dispose();
    }
  } finally {
    await Lab.remove(name, log);
  }
}
