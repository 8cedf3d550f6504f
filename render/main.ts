import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { openStack, readEnvFile } from "../stacks/workspace";
import { sizesTable } from "./sizes";
import { userDataIn } from "./user-data";

const USAGE = `usage: npm run render -- --stack NAME --out DIR [--env-file FILE]
  Writes the user data of each machine of a stack with bootstrap cloudInit as DIR/MACHINE.yaml, which only the owner can
  read: it holds the cluster's keys. Prints the sizes, and the limits of the field that they fit.
options:
  --stack NAME      the stack; pulumi up comes first
  --out DIR         a folder; it is created where it does not exist
  --env-file FILE   more variables for the Pulumi CLI, one NAME=VALUE per line; a lab's stack has such a file`;

async function main(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      stack: { type: "string" },
      out: { type: "string" },
      "env-file": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const { stack, out, "env-file": envFile } = values;
  if (stack === undefined || out === undefined) {
    throw new Error(`--${stack === undefined ? "stack" : "out"} is missing\n${USAGE}`);
  }
  const opened = await openStack(stack, envFile === undefined ? {} : readEnvFile(envFile));
  const documents = userDataIn(stack, await opened.outputs());
  // npm changes the folder
  const folder = path.resolve(process.env["INIT_CWD"] ?? ".", out);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // a folder inside a clone: no commit takes the keys of the cluster
  writePrivate(path.join(folder, ".gitignore"), "*\n");
  for (const [name, text] of documents) writePrivate(path.join(folder, `${name}.yaml`), text);
  console.log(`${documents.size} files in ${folder}\n${sizesTable(documents)}`);
}

/** Nobody else can read it at any time, also where such a file exists. */
function writePrivate(file: string, text: string): void {
  const next = `${file}.new`;
  writeFileSync(next, "", { mode: 0o600 });
  chmodSync(next, 0o600);
  writeFileSync(next, text);
  renameSync(next, file);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`render: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
});
