import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { waitUntil } from "../../tools/src/index";

/**
 * One cgroup hierarchy of the host. Everything that depends on the cgroup version is in this file.
 * Tested: cgroup v1 with the v2 hierarchy beside it ("hybrid"). A host with v2 alone is refused.
 */
export interface Hierarchy {
  /** Mount point on the host, e.g. /sys/fs/cgroup/cpu. */
  readonly path: string;
  /** Folder below a machine's /sys/fs/cgroup, e.g. "cpu". */
  readonly name: string;
  /** Type and options for mount(8). */
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
      "the lab needs cgroup v1 hierarchies below /sys/fs/cgroup (cpu, memory, ..., name=systemd): boot with systemd.unified_cgroup_hierarchy=0",
    );
  }
  return found;
}

/**
 * One line of proc_pid_mountinfo(5): `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS ... - TYPE SOURCE
 * SUPEROPTIONS`.
 */
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

/**
 * The machine's group in every hierarchy, created if missing. Limits of a machine can be set there.
 */
export function ensureGroups(lab: string, machine: string): string[] {
  return hierarchies().map(({ path }) => {
    let group = path;
    for (const part of [ROOT_GROUP, lab, machine]) {
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
  });
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
      return []; // removed meanwhile
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
