import { join, resolve } from "node:path";

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
