import type { Hierarchy } from "./cgroups";
import type { Disk } from "./disk";

/** Settings of a launcher. All paths are chosen by the lab and have no spaces or quotes. */
export interface Launch {
  /** Name for systemd-nspawn, unique on the computer. */
  readonly id: string;
  readonly hostname: string;
  readonly netns: string;
  readonly disk: Disk;
  /** Empty folder on the host for mounts inside the machine's mount namespace. */
  readonly mountpoint: string;
  /** The machine's group in each hierarchy. */
  readonly groups: readonly string[];
  readonly hierarchies: readonly Hierarchy[];
  /** Devices of the host for the machine. The kubelet reads /dev/kmsg. */
  readonly devices: readonly string[];
}

/**
 * The shell script that runs a machine by systemd-nspawn, once more after each reboot (exit status
 * 133).
 *
 * It joins the machine's control groups and makes all mounts in a private mount namespace, which
 * the kernel removes with the machine. It enters the network namespace first, else /sys would show
 * the host's network devices.
 *
 * The machine's group is the root of each hierarchy (unshare -C): in one common tree each kubelet
 * would wait for the groups of all other machines. systemd-nspawn needs the same view, else it
 * makes groups at the host's root.
 */
export function launcherScript(launch: Launch): string {
  const root = `${launch.mountpoint}/root`;
  const groupsDir = `${launch.mountpoint}/cgroup`;
  const overlay = [
    `lowerdir=${launch.disk.lowers.join(":")}`,
    `upperdir=${launch.disk.upper}`,
    `workdir=${launch.disk.work}`,
  ].join(",");
  const controllers = launch.hierarchies.map(
    ({ name, mountArguments }) =>
      `mkdir ${groupsDir}/${name}; mount ${mountArguments} cgroup ${groupsDir}/${name}`,
  );
  // Hosts mount cpu and cpuacct together as cpu,cpuacct; programs look for either name.
  const links = launch.hierarchies.flatMap(({ name }) =>
    name.includes(",") ? name.split(",").map((one) => `ln -s ${name} ${groupsDir}/${one}`) : [],
  );
  const binds = [
    ...launch.devices.map((device) => `--bind=${device}`),
    `--bind=${groupsDir}:/sys/fs/cgroup`,
    ...Object.entries(launch.disk.binds).map(([to, from]) => `--bind=${from}:${to}`),
  ];
  const inside = `
mount -t tmpfs -o mode=755 lab ${launch.mountpoint}
mkdir ${root} ${groupsDir}
mount -t overlay -o ${overlay} lab ${root}
mount -t tmpfs -o mode=755 lab /run/systemd
mount -t tmpfs -o mode=755 lab ${groupsDir}
${[...controllers, ...links].join("\n")}
mount --rbind ${groupsDir} /sys/fs/cgroup
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes SYSTEMD_SECCOMP=0
status=133
while [ "$status" -eq 133 ]; do
  status=0
  systemd-nspawn --quiet --boot \\
    --directory=${root} --machine=${launch.id} --hostname=${launch.hostname} \\
    --register=no --keep-unit --capability=all --console=pipe \\
    --resolv-conf=off --timezone=off --link-journal=no \\
    --network-namespace-path=${launch.netns} \\
    ${binds.join(" ")} || status=$?
done
exit "$status"
`;
  return `set -eu
for group in ${launch.groups.join(" ")}; do
  echo $$ > "$group/cgroup.procs"
done
mkdir -p /run/systemd ${launch.mountpoint}
exec nsenter --net=${launch.netns} unshare --cgroup --mount --propagation slave sh -euc '${inside}'
`;
}
