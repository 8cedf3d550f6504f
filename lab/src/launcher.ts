import type { MachineGroups } from "./cgroups";
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
  readonly groups: MachineGroups;
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
 * With cgroup v1 the machine's group is the root of each hierarchy (unshare -C): in one common tree
 * each kubelet would wait for the groups of all other machines. systemd-nspawn needs the same view,
 * else it makes groups at the host's root. With v2 systemd-nspawn does all of this itself, in a
 * group without any other process.
 */
export function launcherScript(launch: Launch): string {
  const root = `${launch.mountpoint}/root`;
  const view = launch.groups.nspawn === undefined ? v1View(launch) : v2View(launch.groups.nspawn);
  const overlay = [
    `lowerdir=${launch.disk.lowers.join(":")}`,
    `upperdir=${launch.disk.upper}`,
    `workdir=${launch.disk.work}`,
  ].join(",");
  const binds = [
    ...launch.devices.map((device) => `--bind=${device}`),
    ...view.binds,
    ...Object.entries(launch.disk.binds).map(([to, from]) => `--bind=${from}:${to}`),
  ];
  const inside = `
mount -t tmpfs -o mode=755 lab ${launch.mountpoint}
mkdir ${root}
mount -t overlay -o ${overlay} lab ${root}
mount -t tmpfs -o mode=755 lab /run/systemd
${view.mounts}export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes SYSTEMD_SECCOMP=0
status=133
while [ "$status" -eq 133 ]; do
  status=0
  ${view.start}systemd-nspawn --quiet --boot \\
    --directory=${root} --machine=${launch.id} --hostname=${launch.hostname} \\
    --register=no --keep-unit --capability=all --console=read-only \\
    --resolv-conf=off --timezone=off --link-journal=no \\
    --network-namespace-path=${launch.netns} \\
    ${binds.join(" ")}${view.end} || status=$?
done
exit "$status"
`;
  return `set -eu
${launch.groups.join.map((group) => `echo $$ > ${group}/cgroup.procs`).join("\n")}
mkdir -p /run/systemd ${launch.mountpoint}
exec nsenter --net=${launch.netns} unshare ${view.unshare}--mount --propagation slave sh -euc '${inside}'
`;
}

/** How a machine gets its control groups: pieces of the launcher's script. */
interface View {
  readonly unshare: string;
  readonly mounts: string;
  readonly binds: readonly string[];
  /** Before and after the command of systemd-nspawn. */
  readonly start: string;
  readonly end: string;
}

function v1View({ mountpoint, groups }: Launch): View {
  const folder = `${mountpoint}/cgroup`;
  const mounts = groups.hierarchies.map(
    ({ name, mountArguments }) =>
      `mkdir ${folder}/${name}; mount ${mountArguments} cgroup ${folder}/${name}`,
  );
  // Hosts mount cpu and cpuacct together as cpu,cpuacct; programs look for either name.
  const links = groups.hierarchies.flatMap(({ name }) =>
    name.includes(",") ? name.split(",").map((one) => `ln -s ${name} ${folder}/${one}`) : [],
  );
  return {
    unshare: "--cgroup ",
    mounts: `mkdir ${folder}
mount -t tmpfs -o mode=755 lab ${folder}
${[...mounts, ...links].join("\n")}
mount --rbind ${folder} /sys/fs/cgroup
`,
    binds: [`--bind=${folder}:/sys/fs/cgroup`],
    start: "",
    end: "",
  };
}

/**
 * The group is new at each boot: the last one has enabled controllers in it, and then no process
 * may enter it. 0 is the writing process.
 */
function v2View(group: string): View {
  return {
    unshare: "",
    mounts: "",
    binds: [],
    start: `if [ -e ${group} ]; then find ${group} -depth -type d -exec rmdir {} +; fi
  mkdir ${group}
  (echo 0 > ${group}/cgroup.procs && exec `,
    end: ")",
  };
}
