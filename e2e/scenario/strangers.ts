import { setTimeout as sleep } from "node:timers/promises";
import { gatewayOf } from "../../lab/src/network";
import { DEFAULT_PORTS, NAMESPACE, serviceInstance } from "../../names";
import { run } from "../../tools/src/index";
import { waitForRequests, waitInScenario, type ScenarioContext } from "./context";
import { startFlood, type FloodCounts, type FloodOptions } from "./flood";
import type { LabCluster } from "./lab-cluster";
import type { Scenario } from "./scenarios";

/** Sizes of the floods. */
export interface StrangersOptions {
  /** Connections to the LB port at once. */
  readonly count: number;
  /** Connections to the health port at once. */
  readonly health: number;
  /** Duration of each flood. */
  readonly seconds: number;
}

/** What the lab's suite runs: seconds, and more places than the status frontend has. */
export const FEW_STRANGERS: StrangersOptions = { count: 400, health: 200, seconds: 4 };

/** A stranger's address on a lab's bridge. `allow` has the one inside and all of the lab. */
export interface Strangers {
  readonly inside: string;
  readonly outside: string;
  readonly allow: readonly string[];
}

/** The strangers of the lab in which a machine has this address. */
export function strangersOf(machineAddress: string): Strangers {
  const gateway = gatewayOf(Number(machineAddress.split(".")[2]));
  const network = gateway.slice(0, gateway.lastIndexOf("."));
  return {
    inside: `${network}.100`,
    outside: `${network}.200`,
    allow: [`${network}.0/25`],
  };
}

/** One scenario for each flood of the first load balancer by a stranger with this address. */
export function strangerScenarios(
  from: string,
  options: StrangersOptions,
  onCounts: (name: string, counts: FloodCounts) => void = () => undefined,
): Scenario[] {
  const scenario = (
    name: string,
    port: "lb" | "health",
    kind: FloodOptions["kind"],
    count: number,
  ): Scenario => ({
    name: `${count} ${name} from ${from}`,
    expectation: { nothingFails: true },
    async run(context) {
      const { cluster } = context;
      const { address } = cluster.loadBalancers[0]!;
      const before = await failedProbes(cluster);
      await withAddress(from, address, async () => {
        const target = { host: address, port: cluster.ports[port], localAddress: from };
        const flood = startFlood({ ...target, kind, count });
        try {
          await sleep(options.seconds * 1000, undefined, { signal: context.signal });
          await waitForRequests(context, 20);
        } finally {
          onCounts(name, await flood.stop());
        }
      });
      await expectNoFailedProbe(context, before);
      await waitForRequests(context, 20);
    },
  });
  return [
    scenario("half-closed connections to the LB port", "lb", "half-closed", options.count),
    scenario("silent connections to the LB port", "lb", "silent", options.count),
    scenario("silent connections to the health port", "health", "silent", options.health),
  ];
}

/** Failed probes and restarts of all HAProxys so far, one line per place. */
async function failedProbes(cluster: LabCluster): Promise<string> {
  const machine = cluster.controlPlaneNodes[0]!.name;
  if (cluster.topology === "daemonset") {
    const restarts = await cluster.pods(machine);
    const events = await cluster.kubectl(
      machine,
      `-n ${NAMESPACE} get events --field-selector reason=Unhealthy -o jsonpath='{range .items[*]}{.involvedObject.name} {.count}{"\\n"}{end}'`,
    );
    const ours = events.split("\n").filter((line) => line.startsWith("control-plane-lb-"));
    return [...restarts.map(({ uid, restarts }) => `${uid} ${restarts}`), ...ours]
      .sort()
      .join("\n");
  }
  const counts = cluster.loadBalancers.map(async ({ name }) => {
    const { stdout } = await cluster.lab.exec(
      name,
      `systemctl show -P NRestarts ${serviceInstance(DEFAULT_PORTS.lb).haproxyUnit}; journalctl -u control-plane-lb-haproxy-watch-${DEFAULT_PORTS.lb}.service | grep -c 'does not answer' || :`,
    );
    return `${name} ${stdout.trim()}`;
  });
  return (await Promise.all(counts)).join("\n");
}

async function expectNoFailedProbe(context: ScenarioContext, before: string): Promise<void> {
  await waitInScenario(context, "every HAProxy to listen", async () => {
    for (const { name } of context.cluster.loadBalancers) {
      if (!(await context.cluster.haproxyListens(name))) return false;
    }
    return true;
  });
  const after = await failedProbes(context.cluster);
  if (after !== before) {
    throw new Error(`probes failed or HAProxy restarted: before\n${before}\nafter\n${after}`);
  }
}

/** Gives this machine one more address on the bridge to a lab's machine. */
async function withAddress(
  address: string,
  machineAddress: string,
  action: () => Promise<void>,
): Promise<void> {
  const { stdout } = await run(["ip", "-json", "route", "get", machineAddress]);
  const [{ dev = "" } = {}] = JSON.parse(stdout) as { dev?: string }[];
  const change = (verb: string) => run(["ip", "address", verb, `${address}/32`, "dev", dev]);
  await change("replace");
  try {
    await action();
  } finally {
    await change("delete");
  }
}
