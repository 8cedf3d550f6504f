import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeTree } from "../../tools/src/index";
import { copyContent } from "./containerd-content";
import type { LabKeys } from "./keys";
import { addressOf } from "./network";
import type { Parts } from "./parts";
import { labDir } from "./paths";
import { USER } from "./rootfs";
import { seedFiles } from "./seed";
import { loginFile, switchSshOff } from "./ssh-access";
import { machineRecords, type MachineRecord } from "./state";

/** The state of a machine that survives a power-off and a power cut. */
export interface Disk {
  /** Lower file systems, the upper one first. */
  readonly lowers: readonly string[];
  /** Changes of the machine to them. */
  readonly upper: string;
  readonly work: string;
  /** Bind mounts, path on the machine to folder: overlays do not stack, and etcd needs fsync. */
  readonly binds: Readonly<Record<string, string>>;
}

/** Folder with all files of one machine. */
export function machineDir(lab: string, machine: string): string {
  return join(labDir(lab), "machines", machine);
}

const BINDS = ["containerd", "kubelet", "etcd"];

/**
 * Makes the disk of a machine that has none: Debian, kubeadm, images, name and keys, no cluster.
 */
export async function ensureDisk(
  lab: string,
  index: number,
  machine: MachineRecord,
  parts: Parts,
  keys: LabKeys,
): Promise<void> {
  const folder = diskDir(lab, machine.name);
  if (existsSync(folder)) return;
  const work = `${folder}.unfinished-${process.pid}`;
  await removeTree(work);
  for (const name of ["upper", "work", "kubelet", "etcd"]) {
    mkdirSync(join(work, name), { recursive: true, mode: 0o755 });
  }
  await copyContent(parts.containerdContent, join(work, "containerd"));
  const upper = join(work, "upper");
  writeFiles(upper, personalFiles(index, machine, keys));
  if (machine.userData === true) {
    writeFiles(upper, seedFiles(machineDir(lab, machine.name)));
    switchSshOff(upper);
  } else {
    writeFiles(upper, [loginFile(keys)]);
    const owner = accountOf(parts.lowers, USER);
    for (const path of ["", ".ssh", ".ssh/authorized_keys"]) {
      chownSync(join(upper, "home", USER, path), owner, owner);
    }
  }
  writeFileSync(join(work, "lowers.json"), JSON.stringify(parts.lowers));
  renameSync(work, folder);
}

/** @throws when the machine has no disk, or the cache no longer has a lower file system of it */
export function readDisk(lab: string, machine: string): Disk {
  const folder = diskDir(lab, machine);
  const lowers = JSON.parse(readFileSync(join(folder, "lowers.json"), "utf8")) as string[];
  const lost = lowers.find((lower) => !existsSync(lower));
  if (lost !== undefined) {
    throw new Error(
      `${machine} needs ${lost}, which is gone: remove the lab (npm run lab -- down --name ${lab}) and start it again`,
    );
  }
  return {
    lowers,
    upper: join(folder, "upper"),
    work: join(folder, "work"),
    binds: Object.fromEntries(BINDS.map((name) => [`/var/lib/${name}`, join(folder, name)])),
  };
}

/** Removes the disk. It is renamed first, so that an interrupted removal leaves no half disk. */
export async function removeDisk(lab: string, machine: string): Promise<void> {
  const folder = diskDir(lab, machine);
  const trash = `${folder}.trash`;
  await removeTree(trash);
  if (existsSync(folder)) renameSync(folder, trash);
  await removeTree(trash);
}

function diskDir(lab: string, machine: string): string {
  return join(machineDir(lab, machine), "disk");
}

interface PersonalFile {
  readonly path: string;
  readonly content: string;
  readonly mode?: number;
}

/** Files that differ between machines or labs. */
function personalFiles(index: number, machine: MachineRecord, keys: LabKeys): PersonalFile[] {
  return [
    { path: "etc/hostname", content: `${machine.name}\n` },
    { path: "etc/machine-id", content: `${randomBytes(16).toString("hex")}\n`, mode: 0o444 },
    { path: "etc/hosts", content: hosts(index, machine) },
    {
      path: "etc/ssh/ssh_host_ed25519_key",
      content: readFileSync(keys.hostKeyFile, "utf8"),
      mode: 0o600,
    },
    { path: "etc/ssh/ssh_host_ed25519_key.pub", content: `${keys.hostKey}\n` },
    { path: "etc/cni/net.d/10-lab.conflist", content: cniConfiguration(machine) },
  ];
}

function writeFiles(root: string, files: readonly PersonalFile[]): void {
  for (const file of files) {
    const path = join(root, file.path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, file.content, { mode: file.mode ?? 0o644 });
  }
}

/** A lab has no name server. */
function hosts(index: number, machine: MachineRecord): string {
  const named = machineRecords(9, 9).filter(({ name }) => name !== machine.name);
  const machines = [...named, machine].map((peer) => `${addressOf(index, peer)} ${peer.name}`);
  return ["127.0.0.1 localhost", "::1 localhost", ...machines, ""].join("\n");
}

/**
 * Enough for a Ready node: pods reach pods on their machine and, masqueraded, the other machines.
 */
function cniConfiguration(machine: MachineRecord): string {
  const third = (machine.role === "controlPlane" ? 0 : 100) + machine.number;
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: `10.244.${third}.0/24` }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
  const plugins = [bridge, { type: "portmap", capabilities: { portMappings: true } }];
  return `${JSON.stringify({ cniVersion: "0.4.0", name: "lab", plugins }, undefined, 2)}\n`;
}

/** The numeric id of an account in the machines' /etc/passwd. */
function accountOf(lowers: readonly string[], user: string): number {
  for (const lower of lowers) {
    const file = join(lower, "etc/passwd");
    if (!existsSync(file)) continue;
    const line = readFileSync(file, "utf8")
      .split("\n")
      .find((entry) => entry.startsWith(`${user}:`));
    if (line !== undefined) return Number(line.split(":")[2]);
  }
  throw new Error(`no account ${user} in the machines' /etc/passwd`);
}
