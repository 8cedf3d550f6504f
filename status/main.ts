import { parseArgs } from "node:util";
import { askHosts } from "./ask";
import { renderStatus } from "./render";
import { exitCode } from "./report";
import { readStackSettings } from "./stack";

const USAGE = `usage: npm run status -- --stack NAME [--json]
  Says for each LB host who serves the LB port (HAProxy or the forward), the state of the backends and the
  updater's last sync; then what is wrong, in words. --json prints the same for programs. Reads the stack's configuration like pulumi does (its environment variables count), and asks
  the hosts by SSH. A stack that runs in a lab is found by itself.
  exit code: 0 all well, 1 something is not as it should be, 2 cannot tell`;

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      stack: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.stack === undefined) throw new Error(`which stack?\n${USAGE}`);
  const settings = await readStackSettings(values.stack, (line) => console.error(line));
  const hosts = await askHosts(settings);
  const { host, port } = settings.endpoint;
  const endpoint = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  console.log(
    values.json
      ? JSON.stringify({ endpoint, exitCode: exitCode(hosts), hosts }, undefined, 2)
      : renderStatus(endpoint, hosts),
  );
  return exitCode(hosts);
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(`status: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  },
);
