/**
 * Keeps the heap small: a busy updater stays below 75 MB. The collector's helper threads would cost more than they save with so little to
 * collect. Options of V8 that every Node since 18 knows.
 */
const NODE_OPTIONS = ["--max-semi-space-size=1", "--optimize-for-size", "--single-threaded-gc"];

/** The updater's command line, apart from the path of node. Pure. */
export function updaterArguments(
  script: string,
  word: "prepare" | "run",
  settings: string,
): string[] {
  return [...NODE_OPTIONS, script, word, settings];
}
