import { join, resolve } from "node:path";

/** Parent of the labs' folders, which hold disks, process ids and logs. */
export const LABS_DIR = "/var/lib/control-plane-lab";

/** Folder of one lab. `down` removes it. */
export function labDir(lab: string): string {
  return join(LABS_DIR, lab);
}

/** Path of a file or folder of this package. */
export function labSource(...parts: string[]): string {
  return resolve(__dirname, "..", ...parts);
}
