import { basename, dirname } from "node:path";

/** One cgroup v1 hierarchy of the host, or the v2 hierarchy beside them ("hybrid"). */
export interface Hierarchy {
  /** Mount point on the host, e.g. /sys/fs/cgroup/cpu. */
  readonly path: string;
  /** Folder below a machine's /sys/fs/cgroup, e.g. "cpu". */
  readonly name: string;
  /** Type and options for mount(8). */
  readonly mountArguments: string;
}

/** The control groups of a host: v2 alone, or v1 with or without v2 beside it. */
export type CgroupLayout =
  | { readonly version: 1; readonly hierarchies: readonly Hierarchy[] }
  | { readonly version: 2; readonly path: string };

const MOUNT_POINT = "/sys/fs/cgroup";

interface Mount {
  readonly path: string;
  readonly type: string;
  readonly superOptions: readonly string[];
}

/**
 * Reads the layout from the text of /proc/self/mountinfo.
 *
 * @throws when there is neither the v2 hierarchy nor a v1 hierarchy named "systemd"
 */
export function parseLayout(mountinfo: string): CgroupLayout {
  const mounts = mountinfo.split("\n").map(parseMount);
  const atRoot = mounts.filter(({ path }) => path === MOUNT_POINT).at(-1);
  if (atRoot?.type === "cgroup2") return { version: 2, path: MOUNT_POINT };
  const hierarchies = mounts.flatMap((mount) => hierarchyOf(mount));
  if (!hierarchies.some(({ mountArguments }) => mountArguments.includes("name=systemd"))) {
    throw new Error(
      `the lab needs control groups: mount cgroup2 on ${MOUNT_POINT}, as systemd does, ` +
        `or the v1 hierarchies below it (cpu, memory, ..., name=systemd)`,
    );
  }
  return { version: 1, hierarchies };
}

/**
 * One line of proc_pid_mountinfo(5): `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS ... - TYPE SOURCE
 * SUPEROPTIONS`.
 */
function parseMount(line: string): Mount {
  const [left = "", right = ""] = line.split(" - ");
  const [type = "", , superOptions = ""] = right.split(" ");
  return { path: left.split(" ")[4] ?? "", type, superOptions: superOptions.split(",") };
}

function hierarchyOf({ path, type, superOptions }: Mount): Hierarchy[] {
  if (dirname(path) !== MOUNT_POINT) return [];
  if (type === "cgroup2") return [{ path, name: basename(path), mountArguments: "-t cgroup2" }];
  if (type !== "cgroup") return [];
  const options = superOptions
    .filter((option) => !["rw", "ro", "xattr", "clone_children"].includes(option))
    .filter((option) => !option.startsWith("release_agent="));
  const which = options.some((option) => option.startsWith("name="))
    ? ["none", ...options]
    : options;
  return [{ path, name: basename(path), mountArguments: `-t cgroup -o ${which.join(",")}` }];
}
