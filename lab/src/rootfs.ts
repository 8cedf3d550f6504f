import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, fingerprint, type Log, run, withProgress } from "../../tools/src/index";
import { makeDebianTree, type DebianTree } from "./debian";

/** Unprivileged user of every machine, with sudo without a password. */
export const USER = "ops";

const TREE: DebianTree = {
  suite: "bookworm",
  variant: "minbase",
  packages: [
    ...["systemd", "systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "locales"],
    ...["iproute2", "iputils-ping", "nftables", "iptables", "ebtables", "ethtool", "conntrack"],
    ...["socat", "haproxy", "keepalived", "cloud-init", "nodejs", "curl", "ca-certificates"],
    ...["containerd", "runc", "containernetworking-plugins"],
    ...["procps", "kmod", "mount", "util-linux"],
  ],
};

/** Services that Debian enables on installation and that a bare machine does not run. */
const DISABLED = ["haproxy.service", "keepalived.service"];

/** Units that would use the internet or change the kernel of the lab's host. */
const MASKED = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer"],
  ...["systemd-udevd.service", "systemd-udev-trigger.service", "getty@tty1.service"],
];

/** Kernel settings without a namespace: a machine must not set them for its host. */
const MASKED_SYSCTLS = ["50-pid-max.conf", "99-protect-links.conf"];

/** Raise it when the steps below change. */
const RECIPE = "1";

/** Read-only lower file system of all machines: Debian with the packages of a Kubernetes host. */
export async function makeRootfs(log: Log): Promise<string> {
  const key = fingerprint(JSON.stringify([TREE, DISABLED, MASKED, MASKED_SYSCTLS, USER]), RECIPE);
  return cached("rootfs", key, log, (folder) =>
    withProgress(log, "root file system of the machines (mmdebstrap)", async () => {
      await makeDebianTree(TREE, folder);
      const inside = (...command: string[]) => run(["chroot", folder, ...command]);
      await inside("useradd", "--create-home", "--shell", "/bin/bash", USER);
      await inside("systemctl", "disable", ...DISABLED);
      await inside("systemctl", "mask", ...MASKED);
      writeFileSync(join(folder, `etc/sudoers.d/${USER}`), `${USER} ALL=(ALL) NOPASSWD: ALL\n`, {
        mode: 0o440,
      });
      for (const file of MASKED_SYSCTLS) {
        await run(["ln", "-s", "/dev/null", join(folder, "etc/sysctl.d", file)]);
      }
      // each machine gets its own keys, name, identity and resolver
      await run(["sh", "-c", 'rm -f "$1"/etc/ssh/ssh_host_*', "sh", folder]);
      rmSync(join(folder, "etc/hostname"), { force: true });
      for (const file of ["etc/machine-id", "etc/resolv.conf"]) {
        writeFileSync(join(folder, file), "");
      }
    }),
  );
}
