import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LABS_DIR } from "./paths";
import { allStates } from "./state";

const SAVED = join(LABS_DIR, ".host-settings.json");

/** What the kubelets of the machines set and no namespace keeps from the host (kubelet/pkg/util/sysctl). */
const KUBELETS = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
];

/** A cluster of three uses about 70 of the 128 that kernels allow a user; more labs need more. */
const INOTIFY_INSTANCES = "fs/inotify/max_user_instances";
const WANTED_INSTANCES = 8192;

/** Before the first lab starts: notes the host's kernel settings that labs change, and allows more inotify instances. */
export function prepareHost(): void {
  if (!existsSync(SAVED)) {
    const values = [...KUBELETS, INOTIFY_INSTANCES].flatMap((name) => {
      const value = read(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    mkdirSync(LABS_DIR, { recursive: true });
    writeFileSync(`${SAVED}.new`, JSON.stringify(Object.fromEntries(values)));
    renameSync(`${SAVED}.new`, SAVED);
  }
  if (Number(read(INOTIFY_INSTANCES)) < WANTED_INSTANCES) {
    write(INOTIFY_INSTANCES, `${WANTED_INSTANCES}`);
  }
}

/** After the last lab: the settings are what they were. While there is another lab, nothing. */
export function restoreHost(): void {
  if (!existsSync(SAVED) || allStates().length > 0) return;
  const values = JSON.parse(readFileSync(SAVED, "utf8")) as Record<string, string>;
  for (const [name, value] of Object.entries(values)) {
    if (read(name) !== value) write(name, value);
  }
  rmSync(SAVED);
}

function read(name: string): string | undefined {
  const file = join("/proc/sys", name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

function write(name: string, value: string): void {
  try {
    writeFileSync(join("/proc/sys", name), value);
  } catch {
    // The host may forbid it, as containers do: then it also forbade the change.
  }
}
