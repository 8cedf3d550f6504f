/** The ConfigMap as a mounted volume: the backends that are known before any API server answers. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** The volume's content. */
export interface Seed {
  readonly data: Record<string, string>;
  /** When kubelet wrote it, milliseconds since 1970: the time of the `..data` link's target, or of the folder. */
  readonly writtenAtMs: number;
}

/** Reads one file per key. Undefined when the folder is missing or has no key. */
export function readSeed(folder: string): Seed | undefined {
  const data: Record<string, string> = {};
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return undefined;
  }
  for (const name of names) {
    // ..data and the dated folders are kubelet's.
    if (name.startsWith("..")) continue;
    try {
      data[name] = readFileSync(join(folder, name), "utf8").trim();
    } catch {
      // Gone since it was listed, or a folder: no key.
    }
  }
  if (Object.keys(data).length === 0) return undefined;
  return { data, writtenAtMs: writtenAt(folder) };
}

function writtenAt(folder: string): number {
  for (const path of [join(folder, "..data"), folder]) {
    try {
      return statSync(path).mtimeMs;
    } catch {
      // A plain folder has no ..data.
    }
  }
  return 0;
}
