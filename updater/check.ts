/** Has a configuration file checked by the HAProxy that will run it, where that binary is at hand. */
import { spawnSync } from "node:child_process";

const TIMEOUT_MS = 20_000;

/**
 * A check for writeFileAtomically.
 * @param command e.g. `["haproxy", "-c", "-f"]`; the file's name is added. Undefined: nothing is checked.
 */
export function checkWith(
  command: readonly string[] | undefined,
): ((file: string) => void) | undefined {
  const [program, ...args] = command ?? [];
  if (program === undefined) return undefined;
  return (file) => {
    const run = spawnSync(program, [...args, file], { encoding: "utf8", timeout: TIMEOUT_MS });
    if (run.error !== undefined) {
      throw new Error(`${program} could not check ${file}: ${run.error.message}`, {
        cause: run.error,
      });
    }
    if (run.status !== 0) {
      const said = `${run.stdout}${run.stderr}`.trim().slice(-2000);
      throw new RefusedConfigError(`${program} refuses ${file}: ${said}`);
    }
  };
}

/** HAProxy would not start with this configuration. */
export class RefusedConfigError extends Error {
  override readonly name = "RefusedConfigError";
}
