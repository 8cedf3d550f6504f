import type { Log } from "./report/log";
import type { Metrics } from "./report/metrics";
import type { Reporter } from "./report/reporter";
import type { UpdaterSettings } from "./settings";

/** What every part of the updater works with. */
export interface Context {
  readonly settings: UpdaterSettings;
  readonly log: Log;
  /** Written only: decisions never read a metric. */
  readonly metrics: Metrics;
  readonly report: Reporter;
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number;
}
