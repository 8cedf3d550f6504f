/**
 * The backends that are known before any API server answers: a folder with one file per key, and
 * this host's own API server.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { canonicalAddress } from "../../haproxy/address";
import { parseBackends, sameBackend, type ParsedBackends } from "../../haproxy/model";
import type { UpdaterSettings } from "../settings";

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

/** The initial backends as they are used. */
export interface InitialSet extends ParsedBackends {
  /** Entries of the folder, refused ones included. */
  readonly entries: number;
  /** When the folder was written, in milliseconds since 1970; 0: there is none. */
  readonly writtenAtMs: number;
}

/**
 * Those of the folder, and this host's own API server where the settings say so. Like one of the
 * EndpointSlice it is named by its address: it stays until that is known, and as long as it is in it.
 */
export function initialBackends({
  initialBackendsDir,
  ownBackend = false,
  localAddress,
  apiPort,
}: Pick<
  UpdaterSettings,
  "initialBackendsDir" | "ownBackend" | "localAddress" | "apiPort"
>): InitialSet {
  const read = readInitialBackends(initialBackendsDir);
  const { backends, refused } = parseBackends(read?.data ?? {});
  const address = canonicalAddress(localAddress);
  const own = { name: address, address, port: apiPort };
  const all =
    ownBackend && !backends.some((each) => sameBackend(each, own)) ? [...backends, own] : backends;
  return {
    backends: all,
    refused,
    entries: Object.keys(read?.data ?? {}).length,
    writtenAtMs: read?.writtenAtMs ?? 0,
  };
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
