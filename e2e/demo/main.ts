import { parseArgs } from "node:util";
import { Lab } from "../../lab/src/index";
import { labDir } from "../../lab/src/paths";
import { envFile } from "../scenario/lab-files";
import { BOOTSTRAPS } from "./stage";
import { superviseDemo } from "./supervise";

const USAGE = `usage: npm run demo [-- OPTION...]
  Turns bare machines into a highly available control plane behind HAProxy, under load from the first answer on, then
  breaks it in several ways. Prints a table; writes reports/demo-report.json and reports/demo-timeline.svg.
  Removes an existing lab of that name first.
options:
  --keep          leave the lab and its stack up, and print the commands to look at it and to remove it
  --machines N    control-plane nodes m1, m2, ... (default 3)
  --topology T    daemonset (default), or external: HAProxy as a service on the control-plane nodes
  --bootstrap B   how the machines become a cluster:
                  ssh (default): pulumi up, by SSH
                  cloud-init: the machines boot from user data alone, sshd is off
                  cluster-api: real Cluster API replaces and scales the machines; the endpoint is a load-balancer host
  --name LAB      name of the lab (default dev)
  exit code: 0 all expectations met, 1 not all, 2 wrong options, 130 interrupted`;

const log = (line: string) => console.log(line);

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      keep: { type: "boolean", default: false },
      machines: { type: "string", default: "3" },
      name: { type: "string", default: "dev" },
      topology: { type: "string", default: "daemonset" },
      bootstrap: { type: "string", default: "ssh" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    log(USAGE);
    return 0;
  }
  const { name, machines, bootstrap, keep } = values;
  if (!BOOTSTRAPS.some((known) => known === bootstrap)) {
    throw new Error(`--bootstrap: got "${bootstrap}", expected ${BOOTSTRAPS.join(", ")}`);
  }
  // its endpoint is a load-balancer host
  const topology = bootstrap === "cluster-api" ? "external" : values.topology;
  if (topology !== "daemonset" && topology !== "external") {
    throw new Error(`--topology: got "${topology}", expected daemonset or external`);
  }
  const code = await superviseDemo(name, [machines, topology, bootstrap], log);
  if (keep && code !== 130) {
    const own = name === "dev" ? "" : ` --name ${name}`;
    log(`the lab ${name} stays up; its status, and its removal:`);
    log(`  npm run status -- --stack dev --env-file ${envFile(labDir(name))}`);
    log(`  npm run lab -- down${own}`);
  } else {
    await Lab.remove(name, log);
    log(`the lab ${name} is removed`);
  }
  return code;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
