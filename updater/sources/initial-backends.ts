/** The backends that are known before any API server answers: a folder with one file per key. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The folder's content: in a pod the ConfigMap as mounted volume, on a host files of the program.
 */
export interface InitialBackends {
  readonly data: Record<string, string>;
  /** Milliseconds since 1970: mtime of the target of kubelet's link `..data`, or of the folder. */
  readonly writtenAtMs: number;
}

/** Undefined when the folder is missing or has no key. */
export function readInitialBackends(folder: string): InitialBackends | undefined {
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
      // Removed since readdir, or a folder: not a key.
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
