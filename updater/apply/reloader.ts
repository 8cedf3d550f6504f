/** Reloads of HAProxy, with proof: only for what cannot be told it while it runs. */
import { describeSpec, type HaproxySpec } from "../../haproxy/config";
import type { MasterApi } from "../../haproxy/master";
import { slotCount, type Snapshot } from "../../haproxy/runtime";
import type { Log } from "../report/log";
import type { Metrics } from "../report/metrics";
import type { Problems } from "../report/problems";
import type { UpdaterSettings } from "../settings";
import type { StartFiles } from "./config-files";
import type { WantedSlots } from "./desired-slots";

/** After a reload that failed the next one waits so long. */
const PAUSE_MS = 60_000;

/** What a reload is made with. */
export interface ReloaderParts {
  readonly settings: UpdaterSettings;
  readonly master: MasterApi;
  readonly files: StartFiles;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly problems: Problems;
  /** Milliseconds on a clock that nobody sets. */
  readonly now: () => number;
}

/** Sees whether a reload is due, and makes it. */
export class Reloader {
  readonly #parts: ReloaderParts;
  #notBeforeMs = 0;

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
  }

  /** True when a new worker has taken over. */
  async reloadIfNeeded(wanted: WantedSlots, snapshot: Snapshot): Promise<boolean> {
    const { metrics, master, files, log, problems } = this.#parts;
    const reason = this.#reason(wanted, snapshot);
    if (reason === undefined) files.release();
    if (reason === undefined || this.#parts.now() < this.#notBeforeMs) return false;
    const former = files.config;
    const isWritten = files.writeForReload(wanted, snapshot);
    try {
      if (isWritten) {
        const pid = await master.reload();
        metrics.reloads += 1;
        files.release();
        problems.end("ReloadFailed");
        log.info("reloaded", { reason, pid });
        return true;
      }
    } catch (error) {
      problems.begin("reload", "ReloadFailed", error);
    }
    this.#notBeforeMs = this.#parts.now() + PAUSE_MS;
    files.hold(former, snapshot);
    if (isWritten) files.write(wanted, snapshot);
    return false;
  }

  /** More slots than HAProxy has, or another spec than it runs. */
  #reason({ slots }: WantedSlots, snapshot: Snapshot): string | undefined {
    const count = slotCount(snapshot);
    if (count < slots.length) return `HAProxy has ${count} slots, ${slots.length} are needed`;
    return runsOtherSettings(this.#parts.settings.haproxy, snapshot)
      ? "the settings changed"
      : undefined;
  }
}

/** Whether HAProxy, as it was seen, runs another spec than this. */
export function runsOtherSettings(spec: HaproxySpec, snapshot: Snapshot | undefined): boolean {
  return snapshot !== undefined && snapshot.description !== describeSpec(spec);
}
