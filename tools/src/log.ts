/** Receives one line of progress, without a newline. */
export type Log = (line: string) => void;

/** Prints progress on stderr: stdout is for results. */
export const logToStderr: Log = (line) => void process.stderr.write(`${line}\n`);

/** Interval between two progress lines of a long step, in milliseconds. */
const HEARTBEAT_MS = 10_000;

/** "8 s", "2 min 5 s". */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * Runs a long step and logs its start, its end and a line every ten seconds in between.
 *
 * @param detail text for the lines in between, for example the number of finished items
 */
export async function withProgress<T>(
  log: Log,
  step: string,
  action: () => Promise<T>,
  detail: () => string = () => "",
): Promise<T> {
  const start = Date.now();
  log(`${step} ...`);
  const beat = setInterval(() => {
    const more = detail();
    log(
      `${step}: still running after ${duration(Date.now() - start)}${more === "" ? "" : `, ${more}`}`,
    );
  }, HEARTBEAT_MS);
  try {
    const result = await action();
    log(`${step}: done in ${duration(Date.now() - start)}`);
    return result;
  } finally {
    clearInterval(beat);
  }
}
