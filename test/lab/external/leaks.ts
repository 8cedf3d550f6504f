import { readdirSync, readFileSync } from "node:fs";
import type { Lab } from "../../../lab/src/index";

/** Sh, for texts on stdin, one a line. etcd keeps Secrets, and its folder is left out. */
const SEARCH = `umask 077; cat >/run/probe
journalctl --no-pager --quiet | grep -Ff /run/probe || :
grep -lFf /run/probe /proc/[0-9]*/cmdline 2>/dev/null || :
grep -rlFf /run/probe --exclude=probe --exclude-dir=etcd --exclude-dir=containerd --exclude-dir=kubelet \\
  /etc /usr/local /var /run /tmp /home /root 2>/dev/null | xargs -r stat --format='%n %a %U'
rm /run/probe`;

/** Where any of these texts stands on a machine: lines of its journal, command lines, files with mode and owner. They are no command line themselves. */
export async function findTexts(
  lab: Lab,
  machine: string,
  texts: readonly string[],
): Promise<string> {
  return (await lab.exec(machine, SEARCH, { input: `${texts.join("\n")}\n` })).stdout;
}

/** Command lines of all processes of this computer, and so of all machines, that were seen while `action` ran. */
export async function commandLinesDuring(action: () => Promise<unknown>): Promise<string> {
  const seen = new Set<string>();
  const look = () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
      } catch {
        // it has ended
      }
    }
  };
  const timer = setInterval(look, 100);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
  return [...seen].join("\n");
}
