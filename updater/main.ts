/** `node updater.js prepare|run SETTINGS.json`: see prepare.ts and run.ts. */
import { loadSettings } from "./load-settings";
import { createLog, errorText } from "./report/log";
import { prepare } from "./apply/prepare";
import { run } from "./run";

const USAGE = "usage: node updater.js prepare|run SETTINGS.json";

async function main(args: readonly string[]): Promise<void> {
  const log = createLog();
  const [command, file] = args;
  if (file === undefined || args.length !== 2) throw new Error(USAGE);
  if (command === "prepare") {
    await prepare(loadSettings(file), log);
  } else if (command === "run") {
    // At once, and HAProxy untouched: files are whole at every moment, and the next start looks at what is there.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
    await run(loadSettings(file), log, new AbortController().signal);
  } else {
    throw new Error(`${USAGE}; got ${JSON.stringify(command)}`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`control-plane-lb updater: ${errorText(error)}\n`);
  process.exit(1);
});
