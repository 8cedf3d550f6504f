/** Reloads of HAProxy, with proof: only for what cannot be told it while it runs. */
import { readFileSync } from "node:fs";
import { fingerprintSpec, POOLS, type HaproxySpec } from "../haproxy/config";
import type { MasterApi } from "../haproxy/master";
import type { Snapshot } from "../haproxy/runtime";
import { writeFileAtomically } from "./files";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { Problems } from "./problems";
import type { UpdaterSettings } from "./settings";
import type { StartFiles } from "./start-files";
import type { WantedSlots } from "./wanted";

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
    const { settings, metrics, master, files, log, problems } = this.#parts;
    const reason = this.#reason(wanted, snapshot);
    if (reason === undefined || this.#parts.now() < this.#notBeforeMs) return false;
    const old = readText(settings.configFile);
    if (!files.write(wanted, snapshot) || files.behind) {
      this.#pause();
      return false;
    }
    try {
      const pid = await master.reload();
      metrics.reloads += 1;
      problems.end("ReloadFailed");
      log.info("reloaded", { reason, pid });
      return true;
    } catch (error) {
      this.#pause();
      problems.begin("reload", "ReloadFailed", error);
      // HAProxy's next start must find what it runs now.
      if (old !== undefined) writeFileAtomically(settings.configFile, old);
      return false;
    }
  }

  /** More slots than HAProxy has, or another spec than it runs. */
  #reason({ slots }: WantedSlots, snapshot: Snapshot): string | undefined {
    const count = snapshot.servers.filter(({ pool }) => pool === POOLS[0]).length;
    if (count < slots.length) return `HAProxy has ${count} slots, ${slots.length} are needed`;
    return runsOtherSettings(this.#parts.settings.haproxy, snapshot)
      ? "the settings changed"
      : undefined;
  }

  #pause(): void {
    this.#notBeforeMs = this.#parts.now() + PAUSE_MS;
  }
}

/** Whether HAProxy, as it was seen, runs another spec than this. */
export function runsOtherSettings(spec: HaproxySpec, snapshot: Snapshot | undefined): boolean {
  return snapshot !== undefined && snapshot.description !== `spec-${fingerprintSpec(spec)}`;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
