import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Everything that is built once and reused by every checkout on this computer: `$XDG_CACHE_HOME/control-plane-lb`. */
export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(
    base !== undefined && base !== "" ? base : join(homedir(), ".cache"),
    "control-plane-lb",
  );
}

/** Parent of the labs' own folders: disks of the machines, process ids, logs. */
export const LABS_DIR = "/var/lib/control-plane-lab";

/** The folder of one lab. `down` removes it whole. */
export function labDir(lab: string): string {
  return join(LABS_DIR, lab);
}

/** A file or folder of this package, by its path inside lab/. */
export function labSource(...parts: string[]): string {
  return resolve(__dirname, "..", ...parts);
}

/** Short fingerprint of what something is built from; names the folder that caches it. */
export function fingerprint(...inputs: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(`${Buffer.byteLength(input)}:`).update(input);
  return hash.digest("hex").slice(0, 16);
}
