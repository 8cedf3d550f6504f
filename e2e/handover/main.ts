import { parseArgs } from "node:util";
import { Lab } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import { waitUntil } from "../../tools/src/index";
import { LabCluster } from "../scenario/lab-cluster";
import { startCluster } from "../scenario/lab-stack";
import { ServerTracker } from "../scenario/server-tracker";

const USAGE = `usage: sh scripts/run.sh e2e/handover/main.ts [OPTION...]
  On a running lab: makes a cluster on its machines and waits until HAProxy has taken over from the forward.
  For slow computers, where the load of the demo would be too much.
options:
  --name LAB    name of the lab (default dev)
  --hours N     deadline of kubeadm's waits and of the handover (default 1)
  exit code: 0 done, 1 failed`;

const log = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

/**
 * kubeadm's own waits for what a slow computer does late; they end at the first success. A single
 * controller manager and scheduler need no leader, and would end whenever a renewal is late. A
 * single CPU has no room for the default request of HAProxy.
 */
function forSlowComputers(hours: number, nodes: number) {
  const names = ["controlPlaneComponentHealthCheck", "kubeletHealthCheck", "kubernetesAPICall"];
  const timeouts = Object.fromEntries([...names, "etcdAPICall"].map((name) => [name, `${hours}h`]));
  const single = { extraArgs: [{ name: "leader-elect", value: "false" }] };
  return {
    kubeadm: {
      initConfiguration: { timeouts },
      joinConfiguration: { timeouts },
      clusterConfiguration: nodes > 1 ? {} : { controllerManager: single, scheduler: single },
    },
    haproxy: { resources: { requests: { cpu: "100m" } } },
  };
}

async function main(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      name: { type: "string", default: "dev" },
      hours: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const hours = Number(values.hours);
  const lab = await Lab.open(values.name, log);
  const cluster = new LabCluster(lab, DEFAULT_PORTS);
  const [first] = cluster.controlPlaneNodes;
  if (first === undefined) throw new Error(`lab ${lab.name} has no control-plane node`);
  const tracker = new ServerTracker(cluster);
  try {
    const overrides = forSlowComputers(hours, cluster.controlPlaneNodes.length);
    const { endpoint } = await startCluster(lab, {
      log,
      overrides,
    });
    log(`up is done; endpoint ${endpoint.host}:${endpoint.port}`);
    await waitUntil("HAProxy on every machine", { seconds: hours * 3600, everyMs: 5000 }, () =>
      cluster.controlPlaneNodes.every(({ name }) => tracker.serverOf(name) === "HAProxy"),
    );
    const server = `--server https://${endpoint.host}:${endpoint.port}`;
    for (const command of ["version", "get nodes -o wide", "get pods -A -o wide"]) {
      log(`kubectl ${server} ${command}`);
      console.log(await cluster.kubectl(first.name, `${command} ${server}`));
    }
  } finally {
    await tracker.stop();
    for (const { at, machine, server } of tracker.changes) {
      const listens = server === "HAProxy" ? "listens" : "does not listen";
      console.log(`${new Date(at).toISOString().slice(11, 19)} ${machine}: HAProxy ${listens}`);
    }
  }
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
