import { readdirSync, readFileSync } from "node:fs";
import type { Lab } from "../../../lab/src/index";

/**
 * Shell script that reads one text per line from stdin. It skips etcd's folder, which holds
 * Secrets.
 */
const SEARCH = `umask 077; cat >/run/probe
journalctl --no-pager --quiet | grep -Ff /run/probe || :
grep -lFf /run/probe /proc/[0-9]*/cmdline 2>/dev/null || :
grep -rlFf /run/probe --exclude=probe --exclude-dir=etcd --exclude-dir=containerd --exclude-dir=kubelet \\
  /etc /usr/local /var /run /tmp /home /root 2>/dev/null | xargs -r stat --format='%n %a %U'
rm /run/probe`;

/**
 * Where a machine shows any of these texts: journal lines, command lines, files with mode and
 * owner. The texts go by stdin.
 */
export async function findTexts(
  lab: Lab,
  machine: string,
  texts: readonly string[],
): Promise<string> {
  return (await lab.exec(machine, SEARCH, { input: `${texts.join("\n")}\n` })).stdout;
}

/**
 * Command lines of all processes on this host, and so on all machines, that were seen while
 * `action` ran.
 */
export async function commandLinesDuring(action: () => Promise<unknown>): Promise<string> {
  const seen = new Set<string>();
  const record = () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
      } catch {
        // the process has ended
      }
    }
  };
  const timer = setInterval(record, 100);
  try {
    await action();
  } finally {
    clearInterval(timer);
  }
  return [...seen].join("\n");
}
