/** The files of HAProxy's next start, haproxy.cfg and server-state, and the last good backends. */
import { readFileSync } from "node:fs";
import { isOfSpec, renderHaproxyConfig } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import { slotCount, type Snapshot } from "../../haproxy/runtime";
import { replaceServerLines } from "../../haproxy/server-lines";
import { renderServerState } from "../../haproxy/server-state";
import type { Context } from "../context";
import { writeFileAtomically } from "./atomic-file";
import { healthOf } from "./backend-states";
import { checkWith, RefusedConfigError } from "./check-config";
import type { ApiServer } from "../http";
import { withLeaving } from "../../haproxy/slots";
import type { CurrentSpec } from "./current-spec";
import { occupiedSlots, type DesiredSlots } from "./desired-slots";
import { readLastGood, saveLastGood, type LastGood } from "./last-good";

/**
 * A file that HAProxy refused is checked again after this: the reason may have been the host's.
 * The variant `mounted` has the same policy: pod/mounted-script.ts.
 */
export const REFUSED_PAUSE_MS = 60_000;

type Slots = readonly (Backend | undefined)[];

/** A haproxy.cfg and the slots in it. */
interface Config {
  readonly text: string;
  readonly slots: Slots;
}

/** Settings and number of slots that HAProxy keeps after a failed reload. */
interface Held {
  readonly config: string | undefined;
  readonly slotCount: number;
}

/**
 * Keeps the files at the desired backends and at HAProxy's health. HAProxy must be able to start
 * with them at any moment: other settings are written for a reload only, and taken back if it
 * fails.
 */
export class ConfigFiles {
  readonly #context: Context;
  readonly #spec: CurrentSpec;
  /** A write failed, and is to be repeated. */
  #dirty = false;
  #notBeforeMs = 0;
  #stateText = "";
  #held: Held | undefined;
  #slotsInFile: Slots | undefined;
  #lastGood: LastGood | undefined;
  #answered: readonly ApiServer[] = [];

  /** @param spec haproxy.cfg's settings as they are now */
  constructor(context: Context, spec: CurrentSpec) {
    this.#context = context;
    this.#spec = spec;
  }

  /** Reads the last good set, whose slots are those of haproxy.cfg. */
  load(): LastGood | undefined {
    this.#lastGood = readLastGood(this.#context.settings.lastGoodFile);
    if (this.#lastGood === undefined) return undefined;
    const { slots, leaving, answered } = this.#lastGood;
    this.#slotsInFile = withLeaving(slots, leaving);
    this.#answered = answered;
    return this.#lastGood;
  }

  get answered(): readonly ApiServer[] {
    return this.#answered;
  }

  /** Keeps these API servers with the last good set. Never throws. */
  keepAnswered(answered: readonly ApiServer[]): void {
    if (JSON.stringify(answered) === JSON.stringify(this.#answered)) return;
    this.#answered = answered;
    if (this.#lastGood === undefined) return;
    try {
      this.#saveLastGood({ ...this.#lastGood, answered });
    } catch {
      // The next change writes them; a full disk is reported there.
    }
  }

  /** The text of haproxy.cfg; undefined when it cannot be read. */
  get config(): string | undefined {
    try {
      return readFileSync(this.#context.settings.configFile, "utf8");
    } catch {
      return undefined;
    }
  }

  /**
   * Writes the desired backends, with the settings that the file has.
   * @param change for the error message: the steps of the change
   * @returns false when HAProxy refuses the file: then the last good one stays
   */
  write(desired: DesiredSlots, snapshot: Snapshot | undefined, change = ""): boolean {
    const haproxy = this.#spec.get();
    const config = this.#held?.config ?? this.config;
    const slots = occupiedSlots(desired).slice(0, this.#held?.slotCount);
    const isOurs = config === undefined || isOfSpec(config, haproxy);
    const text = isOurs ? renderHaproxyConfig(haproxy, slots) : replaceServerLines(config, slots);
    return this.#put({ text, slots }, desired, snapshot, change);
  }

  /** Writes desired backends and settings, for a reload. False when they are not written. */
  writeForReload(desired: DesiredSlots, snapshot: Snapshot): boolean {
    return this.#put(this.#wholeConfig(desired), desired, snapshot) && !this.#dirty;
  }

  /**
   * A reload failed: until `release`, the file keeps HAProxy's settings and number of slots.
   * @param config the file with these settings; only the first call's counts, as a later attempt
   *   may find the refused one
   */
  hold(config: string | undefined, snapshot: Snapshot): void {
    this.#held = { config: this.#held?.config ?? config, slotCount: slotCount(snapshot) };
  }

  /** HAProxy has loaded the file, or needs no reload any more. */
  release(desired: DesiredSlots): void {
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.endIfWritten(desired);
  }

  /** Ends the problem of an attempted write when haproxy.cfg is as desired without it. */
  endIfWritten(desired: DesiredSlots): void {
    const isWritten = !this.#dirty && this.config === this.#wholeConfig(desired).text;
    if (isWritten) this.#context.report.end("ConfigurationNotWritten");
  }

  #wholeConfig(desired: DesiredSlots): Config {
    const slots = occupiedSlots(desired);
    return { text: renderHaproxyConfig(this.#spec.get(), slots), slots };
  }

  #put(
    config: Config,
    desired: DesiredSlots,
    snapshot: Snapshot | undefined,
    change = "",
  ): boolean {
    const { settings, log, report } = this.#context;
    const check = checkWith(settings.checkCommand, this.#context);
    try {
      writeFileAtomically(settings.configFile, config.text, {
        check: (file) => {
          check(file);
          // Last before the rename: the file's slots and their state belong together.
          this.#writeState(config.slots, snapshot);
        },
      });
      this.#slotsInFile = config.slots;
      const { slots, leaving, revision } = desired;
      const answered = this.#answered;
      this.#saveLastGood({ savedAtMs: Date.now(), revision, slots, leaving, answered });
      this.#dirty = false;
      if (config.text === this.#wholeConfig(desired).text) report.end("ConfigurationNotWritten");
    } catch (error) {
      report.begin("ConfigurationNotWritten", error, change);
      if (error instanceof RefusedConfigError) return false;
      // A full disk must not keep a dead control-plane node in rotation: the runtime API still
      // works.
      if (!this.#dirty) log.warn("will retry the write", { file: settings.configFile });
      this.#dirty = true;
    }
    return true;
  }

  #saveLastGood(lastGood: LastGood): void {
    saveLastGood(this.#context.settings.lastGoodFile, lastGood);
    this.#lastGood = lastGood;
  }

  /** Keeps a refused file desired: `flush` writes it after a pause. */
  writeLater(): void {
    this.#dirty = true;
    this.#notBeforeMs = this.#context.now() + REFUSED_PAUSE_MS;
  }

  /** The next `flush` writes the file. */
  writeSoon(): void {
    this.#dirty = true;
    this.#notBeforeMs = 0;
  }

  /** Repeats a write that failed, once its pause is over. */
  flush(desired: DesiredSlots, snapshot: Snapshot | undefined): void {
    if (!this.#dirty || this.#context.now() < this.#notBeforeMs) return;
    if (!this.write(desired, snapshot)) this.writeLater();
  }

  /** Updates the server-state file. Never throws: a full disk must not stop the work on HAProxy. */
  keepState(desired: DesiredSlots, snapshot: Snapshot | undefined): void {
    const { report } = this.#context;
    try {
      this.#writeState(this.#slotsInFile ?? occupiedSlots(desired), snapshot);
      report.end("ServerStateNotWritten");
    } catch (error) {
      report.begin("ServerStateNotWritten", error);
    }
  }

  /**
   * HAProxy takes a server's state and port from the line with its name, with any address, and
   * a server without a line as up: so the lines follow the slots in haproxy.cfg. Only a hint: no
   * fsync.
   */
  #writeState(slots: Slots, snapshot: Snapshot | undefined): void {
    const text = renderServerState(slots, healthOf(slots, snapshot));
    if (text === this.#stateText) return;
    writeFileAtomically(this.#context.settings.haproxy.stateFile, text, { durable: false });
    this.#stateText = text;
  }
}
