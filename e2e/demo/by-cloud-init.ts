import { Lab, plannedMachines } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import { waitForRequests, waitUntilHealthy } from "../scenario/context";
import { LabCluster } from "../scenario/lab-cluster";
import { clusterConfig, createEngine, endpointOf } from "../scenario/lab-stack";
import { waitForKubeconfig } from "../scenario/load-credentials";
import { daemonsetScenarios, externalScenarios, type Scenario } from "../scenario/scenarios";
import { bootFromUserData, userDataConfig, userDataIn } from "../user-data/boot";
import type { DemoOptions, Stage, Timed } from "./stage";

/**
 * `up` renders user data for machines that do not exist yet; they boot from it all at once, and
 * nobody logs in. Afterwards the stack gets the kubeconfig.
 */
export async function stageByCloudInit(options: DemoOptions, timed: Timed): Promise<Stage> {
  const { name, topology, signal, log } = options;
  const lab = await timed("lab", () => Lab.up({ name, machines: 0, log }));
  signal.throwIfAborted();
  const machines = plannedMachines(lab.index, options.machines);
  const planned = { machines, ssh: lab.ssh };
  const overrides = userDataConfig(topology);
  const engine = await timed("engine", () => createEngine(lab, { log, overrides }, planned));
  const endpoint = endpointOf(clusterConfig(planned, overrides));
  const cluster = new LabCluster(lab, { ...DEFAULT_PORTS, lb: endpoint.port }, undefined, topology);
  const adopted: Scenario = {
    name: "kubeconfig given to the stack",
    expectation: { nothingFails: true },
    async run(context) {
      const kubeconfig = await waitForKubeconfig(lab, machines[0]!.name, signal);
      engine.setConfig(clusterConfig(planned, { ...overrides, kubeconfig }));
      await engine.up({ signal });
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  };
  return {
    lab,
    cluster,
    endpoint,
    plugins: engine.plugins,
    async bringUp(ended) {
      const { outputs } = await timed("up", () => engine.up({ signal: ended }));
      await timed("boot", () => bootFromUserData(lab, machines, userDataIn(outputs), ended));
    },
    // hosts are changed by replacing their machines
    changeSettings: () => Promise.reject(new Error("user data changes no running host")),
    scenarios: () => [
      adopted,
      ...(topology === "external"
        ? externalScenarios(cluster.controlPlaneNodes, cluster.ports.api, false)
        : daemonsetScenarios(cluster.controlPlaneNodes, cluster.ports.api)),
    ],
  };
}
