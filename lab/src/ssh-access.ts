import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { LabKeys } from "./keys";
import { USER } from "./rootfs";

/** By which sshd starts: at boot, or with the first connection. */
const UNITS = ["ssh.service", "ssh.socket"] as const;

const AUTHORIZED_KEYS = `home/${USER}/.ssh/authorized_keys`;

/** The file that lets the lab's user log in. */
export function loginFile(keys: LabKeys) {
  return { path: AUTHORIZED_KEYS, content: `${keys.userPublicKey}\n`, mode: 0o600 };
}

/** Masks sshd on a new disk, given the root of its file system. */
export function switchSshOff(root: string): void {
  const folder = join(root, "etc/systemd/system");
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const unit of UNITS) symlinkSync("/dev/null", join(folder, unit));
}

/** Shell command that switches sshd on and lets the lab's user log in. */
export function allowSshCommand(keys: LabKeys): string {
  return `set -eu
install -d -m 0700 -o ${USER} -g ${USER} /home/${USER}/.ssh
echo '${keys.userPublicKey}' >/${AUTHORIZED_KEYS}
chown ${USER}:${USER} /${AUTHORIZED_KEYS}
chmod 0600 /${AUTHORIZED_KEYS}
systemctl unmask ${UNITS.join(" ")}
systemctl start ${UNITS[0]}
`;
}
