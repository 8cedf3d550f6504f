import { parseArgs } from "node:util";
import type { Lab } from "../../lab/src/index";
import type { ScenarioContext } from "../scenario/context";
import { markEtcdElections } from "../scenario/etcd-elections";
import { judge } from "../scenario/expectation";
import { onLoadedCluster } from "../scenario/loaded-cluster";
import { topologyOption, wholeNumberOption } from "../scenario/options";
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
  const size = {
    count: wholeNumberOption("count", values.count),
    health: wholeNumberOption("health", values.health),
    seconds: wholeNumberOption("seconds", values.seconds),
  };
  const overrides = (lab: Lab) => ({ allow: strangersIn(lab).allow });
  return onLoadedCluster({ name, topology: topologyOption(topology), overrides, log }, (context) =>
    runStrangers(context, size),
  );
}

/** In the network of the lab's machines. */
function strangersIn({ machines }: Lab): ReturnType<typeof strangersOf> {
  return strangersOf(machines[0]!.address);
}

async function runStrangers(
  context: ScenarioContext,
  size: { count: number; health: number; seconds: number },
): Promise<number> {
  const { cluster, load } = context;
  const strangers = strangersIn(cluster.lab);
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
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
