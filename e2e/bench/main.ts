import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Lab } from "../../lab/src/index";
import { convergence } from "./convergence";
import { drawConvergence, renderConvergence } from "./report";

const USAGE = `usage: npm run bench -- convergence [OPTION...]
  convergence: time until every load balancer routes by a change of the control-plane nodes, with the updater, polling
               and a mounted ConfigMap; effect of runtime API, reload and restart on clients (about 20 minutes).
  Writes reports/bench-convergence.json and .svg.
options:
  --changes N   measured changes of the ConfigMap (default 300)
  --keep        leave the lab up
  --name LAB    name of the lab (default bench); an existing lab of that name is removed first
  exit code: 0 measured, 1 failed, 2 wrong command, 130 interrupted`;

const REPORTS = path.resolve(__dirname, "../../reports");

const log = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      changes: { type: "string", default: "300" },
      keep: { type: "boolean", default: false },
      name: { type: "string", default: "bench" },
      help: { type: "boolean", default: false },
    },
  });
  const changes = Number(values.changes);
  if (values.help || positionals.join() !== "convergence" || !Number.isInteger(changes)) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      log(`${signal}: the lab is removed`);
      void Lab.remove(values.name, log).finally(() => process.exit(130));
    });
  }
  await Lab.remove(values.name, log);
  try {
    const report = await convergence(await Lab.up({ name: values.name, log }), { changes, log });
    mkdirSync(REPORTS, { recursive: true });
    const file = path.join(REPORTS, "bench-convergence");
    writeFileSync(`${file}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
    writeFileSync(`${file}.svg`, drawConvergence(report));
    console.log(`\n${renderConvergence(report)}`);
    console.log("written: reports/bench-convergence.json, reports/bench-convergence.svg");
    return 0;
  } finally {
    if (!values.keep) await Lab.remove(values.name, log);
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? (error.stack ?? error.message) : error);
    process.exit(1);
  },
);
