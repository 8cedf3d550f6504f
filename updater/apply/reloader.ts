/** Reloads HAProxy for changes that the runtime API cannot make, and proves each reload. */
import { describeSpec, fingerprintSpec, type HaproxySpec } from "../../haproxy/config";
import type { MasterApi } from "../../haproxy/master";
import { slotCount, type Snapshot } from "../../haproxy/runtime";
import type { Context } from "../context";
import type { ConfigFiles } from "./config-files";
import type { CurrentSpec } from "./current-spec";
import type { DesiredSlots } from "./desired-slots";

/**
 * Pause after a failed reload. The variant `mounted` has the same policy: pod/mounted-script.ts.
 */
const PAUSE_MS = 60_000;

/** Decides whether a reload is due, and makes it. */
export class Reloader {
  readonly #context: Context;
  readonly #master: MasterApi;
  readonly #files: ConfigFiles;
  readonly #spec: CurrentSpec;
  #notBeforeMs = 0;

  constructor(context: Context, master: MasterApi, files: ConfigFiles, spec: CurrentSpec) {
    this.#context = context;
    this.#spec = spec;
    this.#master = master;
    this.#files = files;
  }

  /** True when a new worker has taken over. */
  async reloadIfNeeded(desired: DesiredSlots, snapshot: Snapshot): Promise<boolean> {
    const { metrics, log, report, now } = this.#context;
    const files = this.#files;
    const reason = this.#reason(desired, snapshot);
    if (reason === undefined) {
      files.release(desired);
      report.end("ReloadFailed");
      return false;
    }
    if (now() < this.#notBeforeMs) return false;
    const former = files.config;
    const isWritten = files.writeForReload(desired, snapshot);
    try {
      if (isWritten) {
        const pid = await this.#master.reload();
        metrics.reloads += 1;
        files.release(desired);
        report.end("ReloadFailed");
        log.info("reloaded HAProxy", { reason, pid });
        return true;
      }
    } catch (error) {
      report.begin("ReloadFailed", error);
    }
    this.#notBeforeMs = now() + PAUSE_MS;
    files.hold(former, snapshot);
    if (isWritten) files.write(desired, snapshot);
    return false;
  }

  /** More slots than HAProxy has, or another spec or CA than it runs. */
  #reason({ slots }: DesiredSlots, snapshot: Snapshot): string | undefined {
    const count = slotCount(snapshot);
    if (count < slots.length) return `HAProxy has ${count} slots, ${slots.length} are needed`;
    const spec = this.#spec.get();
    if (!runsOtherSettings(spec, snapshot)) return undefined;
    const isSameSpec = snapshot.description.startsWith(`spec-${fingerprintSpec(spec)}`);
    return isSameSpec ? "the CA certificates changed" : "the settings changed";
  }
}

/** Whether the HAProxy of this snapshot runs another spec. */
export function runsOtherSettings(spec: HaproxySpec, snapshot: Snapshot | undefined): boolean {
  return snapshot !== undefined && snapshot.description !== describeSpec(spec);
}
