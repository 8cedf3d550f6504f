import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../../tools/src/index";
import { loadModules } from "./kernel-modules";
import { LABS_DIR } from "./paths";
import { allStates } from "./state";

const SAVED = join(LABS_DIR, ".host-settings.json");

/** Host-wide sysctls that kubelets set; no namespace isolates them (kubelet/pkg/util/sysctl). */
const KUBELETS = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
];

/** Three nodes use about 70 of the 128 instances that kernels allow per user. */
const INOTIFY_INSTANCES = "fs/inotify/max_user_instances";
const NEEDED_INSTANCES = 8192;

/**
 * Loads kernel modules, saves the sysctls that labs change, unless a running lab has, and allows
 * more inotify instances.
 */
export async function prepareHost(log: Log): Promise<void> {
  await loadModules(log);
  if (!existsSync(SAVED)) {
    const values = [...KUBELETS, INOTIFY_INSTANCES].flatMap((name) => {
      const value = read(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    mkdirSync(LABS_DIR, { recursive: true });
    writeFileSync(`${SAVED}.new`, JSON.stringify(Object.fromEntries(values)));
    renameSync(`${SAVED}.new`, SAVED);
  }
  if (Number(read(INOTIFY_INSTANCES)) < NEEDED_INSTANCES) {
    write(INOTIFY_INSTANCES, `${NEEDED_INSTANCES}`);
  }
}

/** Restores the saved sysctls after the last lab; does nothing while there is another lab. */
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
    // a container as the host may forbid it: then it has also forbidden the change
  }
}
