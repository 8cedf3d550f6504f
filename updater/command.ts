/**
 * Keeps the heap small at the cost of some processor time, of which the updater needs little: a busy one stays below 75 MB. Options of V8 that
 * every Node since 18 knows.
 */
const NODE_OPTIONS = ["--max-semi-space-size=1", "--optimize-for-size"];

/** The updater's command line, apart from the path of node. Pure. */
export function updaterArguments(
  script: string,
  word: "prepare" | "run",
  settings: string,
): string[] {
  return [...NODE_OPTIONS, script, word, settings];
}
