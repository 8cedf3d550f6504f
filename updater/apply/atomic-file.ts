/** Atomic writes: a reader never sees half a file, nor does a killed writer leave one. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const SUFFIX = ".new";

/** Options of writeFileAtomically. */
export interface WriteOptions {
  /** Called with the finished temporary file; when it throws, the old file stays. */
  readonly check?: (temporaryFile: string) => void;
  /** False for hints, which a power cut may lose: no fsync. @default true */
  readonly durable?: boolean;
  /** @default 0o644 */
  readonly mode?: number;
}

/** Temporary file in the same folder, fsync, rename, fsync of the folder. */
export function writeFileAtomically(file: string, text: string, options: WriteOptions = {}): void {
  const durable = options.durable ?? true;
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}${SUFFIX}`);
  try {
    const descriptor = openSync(temporary, "w", options.mode ?? 0o644);
    try {
      // writeFileSync writes all or throws: on a nearly full disk a plain write may be short.
      writeFileSync(descriptor, text);
      if (durable) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    options.check?.(temporary);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (durable) syncFolder(dirname(file));
}

/** Removes temporary files that a killed writer left. */
export function removeLeftovers(file: string): void {
  const folder = dirname(file);
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`.${basename(file)}.`) && name.endsWith(SUFFIX)) {
      rmSync(join(folder, name), { force: true });
    }
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
