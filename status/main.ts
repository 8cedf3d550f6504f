import { hostPort } from "../haproxy/address";
import { parseArgs } from "node:util";
import { askHosts } from "./ask";
import { renderStatus } from "./render";
import { exitCode, kubeconfigProblems } from "./report";
import { readEnvFile, readStack } from "./stack";
import { holderProblems } from "./virtual-ip";

const USAGE = `usage: npm run status -- --stack NAME [--json] [--env-file FILE]
  Shows for each host that runs HAProxy which process serves the LB port (HAProxy or the forward), the state of the
  backends and the age of the updater's last sync, then every problem. Reads the stack's configuration with the
  Pulumi CLI and connects to the hosts by SSH.
options:
  --stack NAME      the stack
  --json            print the result as JSON
  --env-file FILE   more variables for the Pulumi CLI, one NAME=VALUE per line; a lab's stack has such a file
  exit code: 0 no problem, 1 at least one problem, 2 status unknown`;

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      stack: { type: "string" },
      json: { type: "boolean", default: false },
      "env-file": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.stack === undefined) throw new Error(`--stack is missing\n${USAGE}`);
  const envFile = values["env-file"];
  const environment = envFile === undefined ? {} : readEnvFile(envFile);
  const { settings, kubeconfigExpires } = await readStack(values.stack, environment);
  const hosts = await askHosts(settings);
  const { host, port } = settings.endpoint;
  const endpoint = hostPort(host, port);
  const problems = [
    ...kubeconfigProblems(kubeconfigExpires, new Date()),
    ...(settings.virtualIp === undefined ? [] : holderProblems(hosts, settings.virtualIp.address)),
  ];
  const code = exitCode(hosts, problems);
  console.log(
    values.json
      ? JSON.stringify(
          { endpoint, exitCode: code, kubeconfigExpires, problems, hosts },
          undefined,
          2,
        )
      : renderStatus(endpoint, hosts, { kubeconfigExpires, problems }),
  );
  return code;
}

// an exit handler removes keys and ends ssh; a signal's default action would skip it
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => process.exit(code));
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(`status: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  },
);
