import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir, run } from "../../tools/src/index";

/** Keys of a lab. They outlive `down`, so that configurations with them stay valid. */
export interface LabKeys {
  /** Host key of all machines; `wipe` keeps it. */
  readonly hostKeyFile: string;
  /** "ssh-ed25519 AAAA...", without a comment. */
  readonly hostKey: string;
  readonly userKeyFile: string;
  readonly userPublicKey: string;
}

/** Returns the lab's keys and makes them on first use. */
export async function labKeys(lab: string): Promise<LabKeys> {
  const folder = join(cacheDir(), "keys", lab);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  const hostKeyFile = join(folder, "host_ed25519");
  const userKeyFile = join(folder, "id_ed25519");
  for (const file of [hostKeyFile, userKeyFile]) {
    if (existsSync(`${file}.done`)) continue;
    await run(["rm", "-f", file, `${file}.pub`]);
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", `lab-${lab}`, "-f", file]);
    writeFileSync(`${file}.done`, "");
  }
  return {
    hostKeyFile,
    hostKey: publicKey(hostKeyFile),
    userKeyFile,
    userPublicKey: publicKey(userKeyFile),
  };
}

function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
}
