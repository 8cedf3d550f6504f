import { Lab } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import { LabCluster } from "../scenario/lab-cluster";
import { clusterConfig, createEngine, endpointOf } from "../scenario/lab-stack";
import { daemonsetScenarios, externalScenarios } from "../scenario/scenarios";
import type { DemoOptions, Stage, Timed } from "./stage";

/** `up` makes the cluster on running machines. */
export async function stageBySsh(options: DemoOptions, timed: Timed): Promise<Stage> {
  const { topology, signal, log } = options;
  const lab = await timed("lab", () => Lab.up({ ...options, log }));
  signal.throwIfAborted();
  const engine = await timed("engine", () => createEngine(lab, { log, overrides: { topology } }));
  const endpoint = endpointOf(clusterConfig(lab));
  const cluster = new LabCluster(lab, { ...DEFAULT_PORTS, lb: endpoint.port }, undefined, topology);
  const all = topology === "external" ? externalScenarios : daemonsetScenarios;
  return {
    lab,
    cluster,
    endpoint,
    plugins: engine.plugins,
    async bringUp(ended) {
      await timed("up", () => engine.up({ signal: ended }));
    },
    async changeSettings() {
      const changed = { topology, haproxy: { timeouts: { queue: "2500ms" } } };
      engine.setConfig(clusterConfig(lab, changed));
      await engine.up({ signal });
    },
    scenarios: () => all(cluster.controlPlaneNodes, cluster.ports.api),
  };
}
