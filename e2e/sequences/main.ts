import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Lab } from "../../lab/src/index";
import { DEFAULT_PORTS } from "../../names";
import type { Topology } from "../../stacks/schema";
import { DEFAULT_DRAINS, waitUntilHealthy, type ScenarioContext } from "../scenario/context";
import type { Failure } from "../load/load";
import { markEtcdElections } from "../scenario/etcd-elections";
import { etcdWarnings } from "../scenario/etcd-warnings";
import { LabCluster } from "../scenario/lab-cluster";
import { startCluster } from "../scenario/lab-stack";
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
  if (topology !== "daemonset" && topology !== "external") {
    throw new Error(`--topology: got "${topology}", expected daemonset or external`);
  }
  const sequences = {
    count: wholeNumber("count", values.count),
    seed: wholeNumber("seed", values.seed),
  };
  await Lab.remove(name, log);
  try {
    return await runSequences(name, topology, sequences);
  } finally {
    await Lab.remove(name, log);
  }
}

async function runSequences(
  name: string,
  topology: Topology,
  sequences: Sequences,
): Promise<number> {
  const lab = await Lab.up({ name, machines: 3, log });
  const { engine, load, endpoint } = await startCluster(lab, {
    log,
    overrides: { topology },
    load: true,
  });
  if (load === undefined) throw new Error("there is no load");
  try {
    const ports = { ...DEFAULT_PORTS, lb: endpoint.port };
    const cluster = new LabCluster(lab, ports, undefined, topology);
    const context: ScenarioContext = {
      cluster,
      load,
      signal: new AbortController().signal,
      log,
      changeSettings: () => Promise.reject(new Error("no sequence changes settings")),
      drains: DEFAULT_DRAINS,
    };
    await waitUntilHealthy(context);
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
  } finally {
    await load.kill();
    await engine.dispose();
  }
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
