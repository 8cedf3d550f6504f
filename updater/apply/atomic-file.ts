/** Files that are whole at every moment: a reader or a killed writer never sees half of one. */
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
  /** Looks at the finished temporary file; when it throws, the old file stays. */
  readonly check?: (temporaryFile: string) => void;
  /** False for files that a power cut may take back, as they are only hints. @default true */
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
      // all of it or an error: a disk that is nearly full takes the beginning of a text without one
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

/** Removes what a killed writer of this file left behind. */
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
