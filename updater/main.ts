/** `node updater.js prepare|run SETTINGS.json`: see prepare.ts and run.ts. */
import { prepare } from "./prepare";
import { createLog, errorText } from "./report/log";
import { readSettings } from "./read-settings";
import { run } from "./run";

const USAGE = "usage: node updater.js prepare|run SETTINGS.json";

async function main(args: readonly string[]): Promise<void> {
  const log = createLog();
  const [command, file] = args;
  if (file === undefined || args.length !== 2) throw new Error(USAGE);
  if (command === "prepare") {
    await prepare(readSettings(file), log);
  } else if (command === "run") {
    // Ends at once: files are always whole, and the next start continues from them.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
    await run(readSettings(file), log, new AbortController().signal);
  } else {
    throw new Error(`${USAGE}; got ${JSON.stringify(command)}`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`control-plane-lb updater: ${errorText(error)}\n`);
  process.exit(1);
});
