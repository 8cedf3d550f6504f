import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a machine boots from: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html */
export interface Seed {
  /** "#cloud-config...", or a Jinja template of it. */
  readonly userData: string;
  /** Like `instance-id` and `local-hostname`. */
  readonly metaData: Readonly<Record<string, string>>;
}

const FILES = ["user-data", "meta-data"] as const;

/** Where cloud-init looks for the data source NoCloud. */
const TARGET = "var/lib/cloud/seed/nocloud";

/** Keeps a machine's seed in its folder, so that it outlives its disk. */
export function keepSeed(machineFolder: string, { userData, metaData }: Seed): void {
  const folder = folderOf(machineFolder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "user-data"), userData, { mode: 0o600 });
  // JSON is YAML too
  writeFileSync(join(folder, "meta-data"), `${JSON.stringify(metaData)}\n`, { mode: 0o600 });
}

/** The files of a new disk for a machine's kept seed. @throws when none was kept */
export function seedFiles(machineFolder: string) {
  const folder = folderOf(machineFolder);
  if (!existsSync(folder)) throw new Error(`${folder} is missing: add the machine again`);
  return FILES.map((file) => ({
    path: join(TARGET, file),
    content: readFileSync(join(folder, file), "utf8"),
    mode: 0o600,
  }));
}

function folderOf(machineFolder: string): string {
  return join(machineFolder, "seed");
}
