import { Lab, ManagementCluster, plannedMachines } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import { ControlPlane } from "../cluster-api/control-plane";
import {
  clusterObjects,
  controlPlaneSpec,
  labKubeadm,
  machineTemplate,
} from "../cluster-api/objects";
import { managedConfig, readHostUserData } from "../cluster-api/stack";
import { waitForRequests, waitUntilHealthy } from "../scenario/context";
import type { Expectation } from "../scenario/expectation";
import { LabCluster } from "../scenario/lab-cluster";
import { clusterConfig, createEngine, endpointOf, readDevConfig } from "../scenario/lab-stack";
import type { Scenario } from "../scenario/scenarios";
import { waitForFirstBoot } from "../user-data/boot";
import type { DemoOptions, Stage, Timed } from "./stage";

const FIRST_TEMPLATE = "first";

const NOTHING_FAILS: Expectation = { nothingFails: true };

/** What goes with a machine: connections that its API server held. */
const NOTHING_NEW_FAILS: Expectation = { nothingFails: true, newConnectionsOnly: true };

/**
 * Real Cluster API makes the control plane on machines that the lab infrastructure provider boots;
 * `up` gives it the KubeadmControlPlane. The endpoint is a load-balancer host, which boots from its
 * user-data Secret.
 */
export async function stageByClusterApi(options: DemoOptions, timed: Timed): Promise<Stage> {
  const { name, signal, log } = options;
  const lab = await timed("lab", () => Lab.up({ name, machines: 0, log }));
  signal.throwIfAborted();
  const management = await timed("management cluster", () => ManagementCluster.start(lab, log));
  const [host] = plannedMachines(lab.index, 0, 1) as [ReturnType<typeof plannedMachines>[number]];
  const planned = { machines: [host], ssh: lab.ssh };
  const spec = controlPlaneSpec(labKubeadm(readDevConfig()), FIRST_TEMPLATE);
  const overrides = managedConfig({ host, pool: lab.pool, management, spec });
  const engine = await timed("engine", () => createEngine(lab, { log, overrides }, planned));
  const endpoint = endpointOf(clusterConfig(planned, overrides));
  const ports = { ...DEFAULT_PORTS, lb: endpoint.port };
  const cluster = new LabCluster(lab, ports, undefined, "external", [host.name]);
  const controlPlane = new ControlPlane(management, lab, signal);
  const scenario = (
    title: string,
    expectation: Expectation,
    change: () => Promise<void>,
  ): Scenario => ({
    name: title,
    expectation,
    async run(context) {
      await change();
      await waitUntilHealthy(context);
      await waitForRequests(context);
    },
  });
  return {
    lab,
    cluster,
    endpoint,
    plugins: engine.plugins,
    async bringUp(ended) {
      const api = management.api();
      try {
        for (const { path, manifest } of [
          ...clusterObjects(endpoint),
          machineTemplate(FIRST_TEMPLATE),
        ]) {
          await api.apply(path, manifest);
        }
        await timed("up", () => engine.up({ signal: ended }));
        await timed("load-balancer host", async () => {
          await lab.add({ ...host, userData: await readHostUserData(api, host.name) });
          await waitForFirstBoot(lab, host.name, ended);
        });
      } finally {
        api.close();
      }
      await timed("first control-plane node", () => controlPlane.waitUntilSettled());
    },
    changeSettings: () => Promise.reject(new Error("user data changes no running host")),
    scenarios: () => [
      scenario("scaled from 1 to 3", NOTHING_FAILS, () => controlPlane.scale(3)),
      scenario("every node replaced", NOTHING_NEW_FAILS, () => controlPlane.rollOut("second")),
      scenario("scaled from 3 to 1", NOTHING_NEW_FAILS, () => controlPlane.scale(1)),
    ],
  };
}
