import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { waitFor } from "./process";

/**
 * All that depends on the kind of control groups of the host is in this file. Tried: cgroup v1 with the v2 hierarchy beside it
 * ("hybrid"). A host with v2 alone is refused.
 */
export interface Hierarchy {
  /** Where the host has it, e.g. /sys/fs/cgroup/cpu. */
  readonly path: string;
  /** Folder below a machine's /sys/fs/cgroup, e.g. "cpu". */
  readonly name: string;
  /** How to mount it: type and options of mount(8). */
  readonly mountArguments: string;
}

const ROOT_GROUP = "control-plane-lab";

/** The host's hierarchies. @throws when there is no v1 hierarchy named "systemd" */
export function hierarchies(): Hierarchy[] {
  const found = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => parseMount(line));
  if (!found.some((hierarchy) => hierarchy.mountArguments.includes("name=systemd"))) {
    throw new Error(
      "the lab needs cgroup v1 hierarchies below /sys/fs/cgroup (cpu, memory, ..., name=systemd) as well as it was tried with: boot with systemd.unified_cgroup_hierarchy=0",
    );
  }
  return found;
}

/** One line of proc_pid_mountinfo(5): `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS ... - TYPE SOURCE SUPEROPTIONS`. */
function parseMount(line: string): Hierarchy[] {
  const [left = "", right = ""] = line.split(" - ");
  const path = left.split(" ")[4] ?? "";
  const [type, , superOptions = ""] = right.split(" ");
  if (dirname(path) !== "/sys/fs/cgroup") return [];
  if (type === "cgroup2") return [{ path, name: basename(path), mountArguments: "-t cgroup2" }];
  if (type !== "cgroup") return [];
  const options = superOptions
    .split(",")
    .filter((option) => !["rw", "ro", "xattr", "clone_children"].includes(option))
    .filter((option) => !option.startsWith("release_agent="));
  const which = options.some((option) => option.startsWith("name="))
    ? ["none", ...options]
    : options;
  return [{ path, name: basename(path), mountArguments: `-t cgroup -o ${which.join(",")}` }];
}

/** The machine's group in every hierarchy, made if missing. A machine's limits can be set there. */
export function ensureGroups(lab: string, machine: string): string[] {
  return hierarchies().map(({ path }) => {
    let group = path;
    for (const part of [ROOT_GROUP, lab, machine]) {
      const parent = group;
      group = join(parent, part);
      if (!existsSync(group)) mkdirSync(group);
      // A new cpuset group has no processor and no memory: nothing can run in it.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        if (!existsSync(join(group, file))) continue;
        if (readFileSync(join(group, file), "utf8").trim() !== "") continue;
        writeFileSync(join(group, file), readFileSync(join(parent, file)));
      }
    }
    return group;
  });
}

/** Every process of a lab, or of one machine of it: those in its groups. */
export function processesOf(lab: string, machine?: string): number[] {
  const pids = new Set<number>();
  for (const group of groupsOf(lab, machine)) {
    try {
      const lines = readFileSync(join(group, "cgroup.procs"), "utf8").split("\n");
      // 0 stands for a process of another pid namespace: not ours to kill.
      for (const line of lines) if (Number(line) > 0) pids.add(Number(line));
    } catch {
      // The group went away while we looked.
    }
  }
  return [...pids];
}

/**
 * Kills every process of a lab or machine and waits until they are gone.
 * @param first process ids to kill before the others: a machine's init takes all of its machine with it at one blow
 */
export async function killProcesses(
  lab: string,
  machine?: string,
  first: readonly number[] = [],
): Promise<void> {
  const who = machine === undefined ? `lab ${lab}` : `${machine} of lab ${lab}`;
  const killed = new Set<number>();
  await waitFor(
    `the end of all processes of ${who}`,
    60_000,
    () => {
      const pids = processesOf(lab, machine);
      for (const pid of [...first.filter((pid) => pids.includes(pid)), ...pids]) {
        killed.add(pid);
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended meanwhile.
        }
      }
      return pids.length === 0 ? true : undefined;
    },
    () => `process ids ${processesOf(lab, machine).join(", ")}`,
    100,
  );
  // The dead are listed until their parent takes note. One that never does, as the init of some containers, is no reason to fail.
  const gone = () => ([...killed].some((pid) => existsSync(`/proc/${pid}`)) ? undefined : true);
  await waitFor("the dead to go", 5_000, gone).catch(() => undefined);
}

/** Removes the groups of a lab or machine, and the lab's common parent with the last lab. Their processes must be gone. */
export async function removeGroups(lab: string, machine?: string): Promise<void> {
  await waitFor(
    `the removal of the control groups of lab ${lab}`,
    30_000,
    () => {
      const left = groupsOf(lab, machine).filter((group) => !tryRemove(group));
      return left.length === 0 ? true : undefined;
    },
    () => groupsOf(lab, machine).join(", "),
    100,
  );
  if (machine !== undefined) return;
  for (const { path } of hierarchies()) tryRemove(join(path, ROOT_GROUP));
}

/** Deepest first. */
function groupsOf(lab: string, machine?: string): string[] {
  const below = (group: string): string[] => {
    if (!existsSync(group)) return [];
    try {
      const folders = readdirSync(group, { withFileTypes: true }).filter((e) => e.isDirectory());
      return [...folders.flatMap((folder) => below(join(group, folder.name))), group];
    } catch {
      return []; // It went away while we looked.
    }
  };
  return hierarchies().flatMap(({ path }) => below(join(path, ROOT_GROUP, lab, machine ?? "")));
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
