import type { Hierarchy } from "./cgroups";
import type { Disk } from "./disk";

/** What the launcher of a machine needs to know. Every path is one of ours, without spaces or quotes. */
export interface Launch {
  /** Unique on the computer; the machine itself is called `hostname`. */
  readonly id: string;
  readonly hostname: string;
  readonly netns: string;
  readonly disk: Disk;
  /** An empty folder of the host, for mounts that only the machine's own mount namespace sees. */
  readonly mountpoint: string;
  /** The machine's group in each hierarchy. */
  readonly groups: readonly string[];
  readonly hierarchies: readonly Hierarchy[];
  /** Devices of the host that the machine sees. The kubelet reads /dev/kmsg. */
  readonly devices: readonly string[];
}

/**
 * The shell script that runs a machine: systemd-nspawn, again and again while it ends by a reboot (exit status 133). Before that
 * it joins the machine's control groups and makes all mounts in a mount namespace of its own: when the machine ends, the kernel
 * removes them, however it ended. It enters the network namespace itself, else the machine's /sys shows the host's devices.
 *
 * The machine sees its own group as the root of each hierarchy (unshare -C). With one common tree each kubelet waits for
 * the groups of all other machines. systemd-nspawn itself must see that tree too, else it makes groups at the host's root.
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
  // Hosts mount cpu and cpuacct together as cpu,cpuacct: programs look for either name.
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
