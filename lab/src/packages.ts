import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Log, run, withLock, withProgress } from "../../tools/src/index";
import { LABS_DIR } from "./paths";

/** Debian packages of the commands that the lab and the tests call on this computer. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  "systemd-nspawn": "systemd-container",
  ip: "iproute2",
  nft: "nftables",
  iptables: "iptables",
  socat: "socat",
  conntrack: "conntrack",
  shellcheck: "shellcheck",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  unshare: "util-linux",
  setpriv: "util-linux",
  nsenter: "util-linux",
};

/** Installs missing commands by apt-get. @throws when not root, or not on Debian */
export async function ensureCommands(
  log: Log,
  commands: readonly string[] = Object.keys(PACKAGE_OF),
): Promise<void> {
  if (missing(commands).length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new Error(`missing commands: ${missing(commands).join(", ")}. Run this as root`);
  }
  await withLock(join(LABS_DIR, ".apt.lock"), log, "Debian packages", async () => {
    const packages = [
      ...new Set(missing(commands).map((command) => PACKAGE_OF[command] ?? command)),
    ];
    if (packages.length === 0) return;
    await withProgress(log, `Debian packages ${packages.join(" ")}`, async () => {
      const apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
      const options = { env: { DEBIAN_FRONTEND: "noninteractive" } };
      // one dead source among several is no error: the installation fails if it lacks a package
      const update = await run([...apt, "update"], { ...options, check: false });
      if (update.code !== 0) log(`apt-get update: ${update.stderr.trim()}`);
      await run([...apt, "install", "-y", "--no-install-recommends", ...packages], options);
    });
  });
  const still = missing(commands);
  if (still.length > 0) throw new Error(`not found after apt-get install: ${still.join(", ")}`);
}

function missing(commands: readonly string[]): string[] {
  return commands.filter((command) => !isCommand(command));
}

/** Whether a command is on the PATH or in root's usual folders. */
export function isCommand(command: string): boolean {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, command)));
}
