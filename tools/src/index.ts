export { cached, cachedPath, removeTree } from "./cache";
export { withLock } from "./lock";
export { duration, logToStderr, withProgress, type Log } from "./log";
export { cacheDir, fingerprint } from "./paths";
export { CommandError, run, type Finished, type RunOptions } from "./process";
export {
  buildProgram,
  KUBERNETES_VERSION,
  programKey,
  PULUMI_VERSION,
  type ProgramName,
} from "./programs";
export { waitUntil, type WaitOptions } from "./wait";
