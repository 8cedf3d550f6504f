import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import type { ScenarioContext } from "../scenario/context";
import type { Failure } from "../load/load";
import { markEtcdElections } from "../scenario/etcd-elections";
import { etcdWarnings } from "../scenario/etcd-warnings";
import type { LabCluster } from "../scenario/lab-cluster";
import { onLoadedCluster } from "../scenario/loaded-cluster";
import { topologyOption, wholeNumberOption } from "../scenario/options";
import { BUNDLES, CaBundles } from "./ca-bundle";
import type { Surroundings } from "./contents";
import { Operator } from "./operator";
import { changeBefore, planSteps } from "./plan";
import { playSteps } from "./play";
import { problemsOf, renderReport, type Played } from "./report";
import { surroundingsOf } from "./surroundings";

const USAGE = `usage: npm run sequences [-- OPTION...]
  Makes a cluster on a lab, under load. Then an operator writes random contents into the ConfigMap of the backends, wrong
  and right, each time ended by the right one. In topology daemonset the CA certificates of the pods change in between.
  Prints what became of new connections, and how long every updater took to have the right backends again, all ready.
  The API servers keep their certificates: SEQUENCES=50 npm test -- updater changes those too, of stand-ins.
  Removes an existing lab of that name first, and the lab at the end.
options:
  --count N       sequences (default 50)
  --seed N        of the first sequence; each has the next number (default 1)
  --topology T    daemonset (default), or external: HAProxy as a service on the control-plane nodes
  --name LAB      name of the lab (default sequences)
  exit code: 0 no new connection failed and every recovery took less than 10 s, 1 otherwise, 2 wrong options`;

const log = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

interface Sequences {
  readonly count: number;
  readonly seed: number;
}

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      count: { type: "string", default: "50" },
      seed: { type: "string", default: "1" },
      topology: { type: "string", default: "daemonset" },
      name: { type: "string", default: "sequences" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const { name, topology } = values;
  const sequences = {
    count: wholeNumberOption("count", values.count),
    seed: wholeNumberOption("seed", values.seed),
  };
  return onLoadedCluster({ name, topology: topologyOption(topology), log }, (context) =>
    runSequences(context, sequences),
  );
}

async function runSequences(context: ScenarioContext, sequences: Sequences): Promise<number> {
  const { cluster, load } = context;
  const problems: string[] = [];
  const played: Played[] = [];
  const surroundings = surroundingsOf(cluster);
  await playAll(context, surroundings, sequences, (each) =>
    played.push({ ...each, loadAverage: loadavg()[0] ?? 0 }),
  ).catch((error: Error) => problems.push(error.message));
  await markEtcdElections(cluster, load);
  const { phases } = await load.stop();
  const judged = played.map((each) => ({
    ...each,
    phase: phases.find((phase) => phase.name === each.name)!,
  }));
  console.log(renderReport(judged));
  problems.push(...problemsOf(judged));
  for (const { phase } of judged) {
    for (const failure of phase.failures) log(JSON.stringify(failure));
    for (const warning of await warningsAt(cluster, phase.failures)) log(warning);
  }
  for (const problem of problems) log(`FAILED: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

/**
 * Plays the sequences, with the changes of the CA certificates evenly between them.
 * @throws Error, after it has reported the phase that fails
 */
async function playAll(
  context: ScenarioContext,
  surroundings: Surroundings,
  { count, seed: first }: Sequences,
  onPlayed: (played: Omit<Played, "loadAverage">) => void,
): Promise<void> {
  const { cluster, load } = context;
  const operator = new Operator(cluster, cluster.controlPlaneNodes[0]!.name);
  const bundles = cluster.topology === "daemonset" ? await CaBundles.create(context) : undefined;
  for (let seed = first; seed < first + count; seed += 1) {
    const bundle = BUNDLES[changeBefore(seed - first, count, BUNDLES.length) ?? -1];
    if (bundles !== undefined && bundle !== undefined) {
      log(bundle.title);
      await load.phase(bundle.title);
      await bundles.publish(bundle).finally(() => {
        onPlayed({ name: bundle.title, script: bundle.cas.join(" ") });
      });
    }
    const steps = planSteps(seed, surroundings);
    const script = steps.map(({ title, holdSeconds }) => `${title} (${holdSeconds} s)`).join("; ");
    const name = `seed ${seed}`;
    log(`${name}: ${script}`);
    // watches and kept connections may have gone with a drained server
    await load.phase(name, { reconnect: true });
    const recoveryMs = await playSteps(context, operator, steps, surroundings.right).catch(
      (error: Error) => {
        onPlayed({ name, script });
        throw new Error(`${name}: ${error.message} (${script})`);
      },
    );
    log(`${name}: recovered after ${Math.round(recoveryMs)} ms`);
    onPlayed({ name, script, recoveryMs });
  }
}

/** What etcd said while requests failed: its writes wait for a disk and a CPU that others use too. */
async function warningsAt(cluster: LabCluster, failures: readonly Failure[]): Promise<string[]> {
  if (failures.length === 0) return [];
  const from = Math.min(...failures.map(({ at }) => at));
  const to = Math.max(...failures.map(({ at, afterMs }) => at + afterMs));
  return etcdWarnings(cluster, { from, to });
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
