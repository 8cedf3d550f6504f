/**
 * Options of V8 for a small heap: a busy updater stays below 75 MB. Its garbage collector's helper
 * threads would cost more than they save. Every Node since 18 has them.
 */
const NODE_OPTIONS = ["--max-semi-space-size=1", "--optimize-for-size", "--single-threaded-gc"];

/** The updater's command line after `node`. Pure. */
export function updaterArguments(
  script: string,
  word: "prepare" | "run",
  settings: string,
): string[] {
  return [...NODE_OPTIONS, script, word, settings];
}
