/** What HAProxy's next start reads, haproxy.cfg and the server-state file, and beside them the last good backends for our own. */
import { readFileSync } from "node:fs";
import { isOfSpec, renderHaproxyConfig } from "../../haproxy/config";
import type { Backend } from "../../haproxy/model";
import { slotCount, type Snapshot } from "../../haproxy/runtime";
import { replaceServerLines } from "../../haproxy/server-lines";
import { renderServerState } from "../../haproxy/server-state";
import { checkWith, RefusedConfigError } from "./check-config";
import { writeFileAtomically } from "./atomic-file";
import { healthOf } from "./health";
import { saveLastGood } from "./last-good";
import type { Log } from "../report/log";
import type { Metrics } from "../report/metrics";
import type { Problems } from "../report/problems";
import type { UpdaterSettings } from "../settings";
import type { WantedSlots } from "./desired-slots";

/** A file that HAProxy's own check refused is tried again after this: the reason may have been the host's, not the file's. */
export const REFUSED_PAUSE_MS = 60_000;

/** What the files are written with. */
export interface StartFilesParts {
  readonly settings: UpdaterSettings;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly problems: Problems;
  /** Milliseconds on a clock that nobody sets. */
  readonly now: () => number;
}

type Slots = readonly (Backend | undefined)[];

/** haproxy.cfg, and the slots in it. */
interface Config {
  readonly text: string;
  readonly slots: Slots;
}

/** What HAProxy stays with. */
interface Held {
  readonly config: string | undefined;
  readonly slotCount: number;
}

/**
 * Keeps the files at what is wanted, and at what HAProxy knows of it. HAProxy must be able to start with the file at any moment: other settings
 * come into it for a reload only, and go out of it again when that fails.
 */
export class StartFiles {
  readonly #parts: StartFilesParts;
  #behind = false;
  #notBeforeMs = 0;
  #stateText = "";
  #held: Held | undefined;
  #slotsInFile: Slots | undefined;

  /** @param slotsInFile those of haproxy.cfg; undefined when they are not known */
  constructor(parts: StartFilesParts, slotsInFile: Slots | undefined) {
    this.#parts = parts;
    this.#slotsInFile = slotsInFile;
  }

  /** Something that is wanted does not stand in the files yet. */
  get behind(): boolean {
    return this.#behind;
  }

  /** haproxy.cfg as it stands there; undefined when it cannot be read. */
  get config(): string | undefined {
    try {
      return readFileSync(this.#parts.settings.configFile, "utf8");
    } catch {
      return undefined;
    }
  }

  /**
   * Writes the wanted backends into the settings that the file has. False when HAProxy itself refuses it: then the last good one stays.
   * @param change what an operator should read beside HAProxy's own words
   */
  write(wanted: WantedSlots, snapshot: Snapshot | undefined, change = ""): boolean {
    const { haproxy } = this.#parts.settings;
    const config = this.#held?.config ?? this.config;
    const slots = wanted.slots.slice(0, this.#held?.slotCount);
    const isOurs = config === undefined || isOfSpec(config, haproxy);
    const text = isOurs ? renderHaproxyConfig(haproxy, slots) : replaceServerLines(config, slots);
    return this.#put({ text, slots }, wanted, snapshot, change);
  }

  /** Writes all that is wanted, for a reload that follows. False when it is not written. */
  writeForReload(wanted: WantedSlots, snapshot: Snapshot): boolean {
    return this.#put(this.#wholeConfig(wanted), wanted, snapshot) && !this.#behind;
  }

  /**
   * HAProxy could not be brought to all that is wanted: until `release`, the file keeps its settings and number of slots.
   * @param config the file with these settings; at a further attempt it may be the refused one, so the first counts
   */
  hold(config: string | undefined, snapshot: Snapshot): void {
    this.#held = { config: this.#held?.config ?? config, slotCount: slotCount(snapshot) };
  }

  /** HAProxy has read the file of a reload, or needs none any more. */
  release(): void {
    this.#held = undefined;
  }

  #wholeConfig({ slots }: WantedSlots): Config {
    return { text: renderHaproxyConfig(this.#parts.settings.haproxy, slots), slots };
  }

  #put(config: Config, wanted: WantedSlots, snapshot: Snapshot | undefined, change = ""): boolean {
    const { settings, log, metrics, problems } = this.#parts;
    const { slots, revision } = wanted;
    const check = checkWith(settings.checkCommand, { log, metrics });
    try {
      writeFileAtomically(settings.configFile, config.text, {
        check: (file) => {
          check(file);
          // The last thing before the file is there: its slots and their state belong together.
          this.#writeState(config.slots, snapshot);
        },
      });
      this.#slotsInFile = config.slots;
      saveLastGood(settings.lastGoodFile, { savedAtMs: Date.now(), revision, slots });
      this.#behind = false;
      if (config.text === this.#wholeConfig(wanted).text) problems.end("ConfigurationNotWritten");
    } catch (error) {
      problems.begin("write", "ConfigurationNotWritten", error, change);
      if (error instanceof RefusedConfigError) return false;
      // A full disk must not keep a dead control-plane node in rotation: go on at run time, and write again later.
      if (!this.#behind) log.warn("will write again", { file: settings.configFile });
      this.#behind = true;
    }
    return true;
  }

  /** What was refused stays wanted all the same: it is written after a pause. */
  writeLater(): void {
    this.#behind = true;
    this.#notBeforeMs = this.#parts.now() + REFUSED_PAUSE_MS;
  }

  /** Writes what is behind, if there is something and its pause is over. */
  catchUp(wanted: WantedSlots, snapshot: Snapshot | undefined): void {
    if (!this.#behind || this.#parts.now() < this.#notBeforeMs) return;
    if (!this.write(wanted, snapshot)) this.writeLater();
  }

  /** A full disk keeps nobody from looking after HAProxy. */
  keepState(wanted: WantedSlots, snapshot: Snapshot | undefined): void {
    const { problems } = this.#parts;
    try {
      this.#writeState(this.#slotsInFile ?? wanted.slots, snapshot);
      problems.end("ServerStateNotWritten");
    } catch (error) {
      problems.begin("write", "ServerStateNotWritten", error);
    }
  }

  /**
   * What HAProxy knows of the health of the servers in haproxy.cfg: it takes a server's state and port from the line with its name, whatever
   * its address is, and one without a line as up. Only a hint, so not synced to the disk.
   */
  #writeState(slots: Slots, snapshot: Snapshot | undefined): void {
    const text = renderServerState(slots, healthOf(slots, snapshot));
    if (text === this.#stateText) return;
    writeFileAtomically(this.#parts.settings.haproxy.stateFile, text, { durable: false });
    this.#stateText = text;
  }
}
