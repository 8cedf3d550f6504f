import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../tools/src/index";
import { parseLayout, type CgroupLayout, type Hierarchy } from "./cgroup-layout";

/** A machine's control groups, created. Limits of a machine can be set on its own group. */
export interface MachineGroups {
  /** Groups that the launcher and commands for the machine join. */
  readonly join: readonly string[];
  /** v1: what the machine mounts below its /sys/fs/cgroup. */
  readonly hierarchies: readonly Hierarchy[];
  /** v2: the group of systemd-nspawn alone, which makes groups of its own in it at each boot. */
  readonly nspawn?: string;
}

const ROOT_GROUP = "control-plane-lab";

function hostLayout(): CgroupLayout {
  return parseLayout(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** The lab's root group in every hierarchy. */
function rootGroups(): string[] {
  const layout = hostLayout();
  const paths = layout.version === 2 ? [layout.path] : layout.hierarchies.map(({ path }) => path);
  return paths.map((path) => join(path, ROOT_GROUP));
}

/** Creates the machine's groups if they are missing. @throws when the host allows none */
export function ensureGroups(lab: string, machine: string): MachineGroups {
  const layout = hostLayout();
  const parts = [ROOT_GROUP, lab, machine];
  if (layout.version === 2) return ensureUnified(layout.path, parts);
  const { hierarchies } = layout;
  return { join: hierarchies.map(({ path }) => ensureV1(path, parts)), hierarchies };
}

function ensureV1(path: string, parts: readonly string[]): string {
  let group = path;
  for (const part of parts) {
    const parent = group;
    group = join(parent, part);
    if (!existsSync(group)) mkdirSync(group);
    // A new cpuset group has no CPU and no memory node: nothing can run in it.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (!existsSync(join(group, file))) continue;
      if (readFileSync(join(group, file), "utf8").trim() !== "") continue;
      writeFileSync(join(group, file), readFileSync(join(parent, file)));
    }
  }
  return group;
}

/** Only the leaves may hold processes, because the groups above them enable controllers. */
function ensureUnified(path: string, parts: readonly string[]): MachineGroups {
  let group = path;
  for (const part of parts) {
    enableControllers(group);
    group = join(group, part);
    if (!existsSync(group)) mkdirSync(group);
  }
  enableControllers(group);
  const [launcher, nspawn] = [join(group, "launcher"), join(group, "nspawn")];
  if (!existsSync(launcher)) mkdirSync(launcher);
  return { join: [launcher], hierarchies: [], nspawn };
}

/** Gives the groups below a group every controller that it has itself. */
function enableControllers(group: string): void {
  const control = join(group, "cgroup.subtree_control");
  const words = (file: string) => readFileSync(file, "utf8").split(/\s+/).filter(Boolean);
  const enabled = words(control);
  for (const controller of words(join(group, "cgroup.controllers"))) {
    if (enabled.includes(controller)) continue;
    try {
      writeFileSync(control, `+${controller}`);
    } catch (error) {
      throw new Error(
        `control group ${group}: cannot enable ${controller} for the lab's machines. ` +
          "A container cannot, unless its processes are in a group below: run the lab on the host",
        { cause: error },
      );
    }
  }
}

/** All processes in the groups of a lab, or of one of its machines. */
export function processesOf(lab: string, machine?: string): number[] {
  const pids = new Set<number>();
  for (const group of groupsOf(lab, machine)) {
    try {
      const lines = readFileSync(join(group, "cgroup.procs"), "utf8").split("\n");
      // 0 is a process of another PID namespace, which we must not kill.
      for (const line of lines) if (Number(line) > 0) pids.add(Number(line));
    } catch {
      // the group has been removed meanwhile
    }
  }
  return [...pids];
}

/**
 * Kills every process of a lab or machine and waits until they are gone.
 *
 * @param first process ids to kill before the others: with its init, a whole machine ends at once
 */
export async function killProcesses(
  lab: string,
  machine?: string,
  first: readonly number[] = [],
): Promise<void> {
  const owner = machine === undefined ? `lab ${lab}` : `${machine} of lab ${lab}`;
  const killed = new Set<number>();
  await waitUntil(
    `ending all processes of ${owner}`,
    {
      seconds: 60,
      everyMs: 100,
      lastSeen: () => `process ids ${processesOf(lab, machine).join(", ")}`,
    },
    () => {
      const pids = processesOf(lab, machine);
      for (const pid of [...first.filter((pid) => pids.includes(pid)), ...pids]) {
        killed.add(pid);
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // it has already ended
        }
      }
      return pids.length === 0;
    },
  );
  // Zombies stay until their parent reaps them. The init process of some containers never does.
  const reaped = () => ![...killed].some((pid) => existsSync(`/proc/${pid}`));
  await waitUntil("reaping", { seconds: 5, everyMs: 200 }, reaped).catch(() => undefined);
}

/**
 * Removes the groups of a lab or machine, and with the last lab the root group. They must be empty.
 */
export async function removeGroups(lab: string, machine?: string): Promise<void> {
  await waitUntil(
    `removing the control groups of lab ${lab}`,
    { seconds: 30, everyMs: 100, lastSeen: () => groupsOf(lab, machine).join(", ") },
    () => groupsOf(lab, machine).filter((group) => !tryRemove(group)).length === 0,
  );
  if (machine !== undefined) return;
  for (const group of rootGroups()) tryRemove(group);
}

/** Deepest first. */
function groupsOf(lab: string, machine?: string): string[] {
  const below = (group: string): string[] => {
    if (!existsSync(group)) return [];
    try {
      const folders = readdirSync(group, { withFileTypes: true }).filter((e) => e.isDirectory());
      return [...folders.flatMap((folder) => below(join(group, folder.name))), group];
    } catch {
      return []; // removed meanwhile
    }
  };
  return rootGroups().flatMap((root) => below(join(root, lab, machine ?? "")));
}

function tryRemove(group: string): boolean {
  if (!existsSync(group)) return true;
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
