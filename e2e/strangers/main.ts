import { parseArgs } from "node:util";
import { Lab } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import type { Topology } from "../../stacks/schema";
import { DEFAULT_DRAINS, waitUntilHealthy, type ScenarioContext } from "../scenario/context";
import { markEtcdElections } from "../scenario/etcd-elections";
import { judge } from "../scenario/expectation";
import { LabCluster } from "../scenario/lab-cluster";
import { startCluster } from "../scenario/lab-stack";
import { strangerScenarios, strangersOf } from "../scenario/strangers";

const USAGE = `usage: npm run strangers [-- OPTION...]
  Makes a cluster on a lab, under load, with an allow-list. Then a stranger outside of the list and one inside flood LB port and health port.
  Prints what became of their connections. No request of the load may fail, no probe of HAProxy, and HAProxy may not restart.
  Removes an existing lab of that name first, and the lab at the end.
options:
  --count N       connections to the LB port at once, half-closed and then silent (default 4300)
  --health N      silent connections to the health port at once (default 1000)
  --seconds N     duration of each of the six floods (default 60)
  --topology T    daemonset (default), or external: HAProxy as a service on the control-plane nodes
  --name LAB      name of the lab (default strangers)
  exit code: 0 nothing failed, 1 something failed, 2 wrong options`;

const log = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      count: { type: "string", default: "4300" },
      health: { type: "string", default: "1000" },
      seconds: { type: "string", default: "60" },
      topology: { type: "string", default: "daemonset" },
      name: { type: "string", default: "strangers" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const { name, topology } = values;
  if (topology !== "daemonset" && topology !== "external") {
    throw new Error(`--topology: got "${topology}", expected daemonset or external`);
  }
  const size = {
    count: wholeNumber("count", values.count),
    health: wholeNumber("health", values.health),
    seconds: wholeNumber("seconds", values.seconds),
  };
  await Lab.remove(name, log);
  try {
    return await runStrangers(name, topology, size);
  } finally {
    await Lab.remove(name, log);
  }
}

async function runStrangers(
  name: string,
  topology: Topology,
  size: { count: number; health: number; seconds: number },
): Promise<number> {
  const lab = await Lab.up({ name, machines: 3, log });
  const strangers = strangersOf(lab.machines[0]!.address);
  const overrides = { topology, allow: strangers.allow };
  const { engine, load, endpoint } = await startCluster(lab, { log, overrides, load: true });
  if (load === undefined) throw new Error("there is no load");
  try {
    const ports = { ...DEFAULT_PORTS, lb: endpoint.port };
    const cluster = new LabCluster(lab, ports, undefined, topology);
    const context: ScenarioContext = {
      cluster,
      load,
      signal: new AbortController().signal,
      log,
      changeSettings: () => Promise.reject(new Error("no scenario here changes settings")),
      drains: DEFAULT_DRAINS,
    };
    await waitUntilHealthy(context);
    const scenarios = [strangers.outside, strangers.inside].flatMap((from) =>
      strangerScenarios(from, size, (what, counts) => log(`${what}: ${JSON.stringify(counts)}`)),
    );
    const problems: string[] = [];
    for (const scenario of scenarios) {
      log(scenario.name);
      await load.phase(scenario.name, { reconnect: true });
      await scenario.run(context).catch((error: Error) => problems.push(error.message));
    }
    await markEtcdElections(cluster, load);
    const { phases } = await load.stop();
    for (const { name: phase, expectation } of scenarios) {
      const report = phases.find((each) => each.name === phase)!;
      const { deviations } = judge(report, expectation);
      const { sent, failed, longestGapMs } = report;
      log(`${phase}: ${sent} requests, ${failed} failed, longest gap ${longestGapMs} ms`);
      problems.push(...deviations.map((text) => `${phase}: ${text}`));
    }
    for (const problem of problems) log(`FAILED: ${problem}`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await load.kill();
    await engine.dispose();
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new Error(`--${option}: got "${text}", expected a whole number above 0`);
  }
  return Number(text);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
