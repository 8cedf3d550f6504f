import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Finished,
  type Log,
  logToStderr,
  removeTree,
  withLock,
  withProgress,
} from "../../tools/src/index";
import { killProcesses, removeGroups } from "./cgroups";
import { ensureDisk, removeDisk } from "./disk";
import { prepareHost, restoreHost } from "./host-settings";
import { labKeys, type LabKeys } from "./keys";
import { Machine, type ExecOptions } from "./machine";
import {
  bridgeExists,
  ensureBridge,
  findBridge,
  gatewayOf,
  isCablePluggedIn,
  removeNetwork,
  setCable,
} from "./network";
import { makeParts } from "./parts";
import { labDir, LABS_DIR } from "./paths";
import { USER } from "./rootfs";
import {
  checkLabName,
  DEFAULT_LAB,
  freeIndex,
  machineRecords,
  readState,
  writeState,
  type LabState,
  type MachineRecord,
  type Role,
} from "./state";

/** Observed state of a machine. */
export interface MachineInfo {
  readonly name: string;
  readonly address: string;
  readonly role: Role;
  readonly running: boolean;
  /** The machine runs, but its network cable is unplugged. */
  readonly cut: boolean;
}

export interface LabOptions {
  /** @default "dev" */
  readonly name?: string;
  /** Control-plane nodes m1, m2, ... @default 3 */
  readonly machines?: number;
  /** Workers w1, w2, ... @default 0 */
  readonly workers?: number;
  /** Progress. @default stderr */
  readonly log?: Log;
}

/** How to reach the machines by SSH. */
export interface LabSsh {
  /** Unprivileged; may use sudo without a password. */
  readonly user: string;
  readonly port: 22;
  readonly privateKeyFile: string;
  readonly privateKey: string;
  /** "ssh-ed25519 AAAA...", the same for all machines. */
  readonly hostKey: string;
}

/** Lock of the list of all labs. */
const INDEX_LOCK = join(LABS_DIR, ".index.lock");

/** Bare machines on a bridge of their own. Needs root. */
export class Lab {
  readonly ssh: LabSsh;

  private constructor(
    private readonly state: LabState,
    private readonly keys: LabKeys,
    private readonly log: Log,
  ) {
    this.ssh = {
      user: USER,
      port: 22,
      privateKeyFile: keys.userKeyFile,
      privateKey: readFileSync(keys.userKeyFile, "utf8"),
      hostKey: keys.hostKey,
    };
  }

  /**
   * Starts a lab and waits until its machines have booted. An existing lab of that name is reused:
   * running machines stay, stopped ones start from their disks, missing ones are added, and remains
   * of an interrupted run are cleared.
   */
  static async up(options: LabOptions = {}): Promise<Lab> {
    const { name = DEFAULT_LAB, machines = 3, workers = 0, log = logToStderr } = options;
    checkLabName(name);
    requireRoot();
    const desired = machineRecords(machines, workers);
    const parts = await makeParts(log);
    const keys = await labKeys(name);
    return withLock(lockFile(name), log, `lab ${name}`, async () => {
      const state = await recordLab(name, desired, log);
      const lab = new Lab(state, keys, log);
      await ensureBridge(state);
      writeFileSync(lab.knownHostsFile, lab.knownHosts());
      const stopped = lab.all().filter((machine) => !machine.running);
      const names = stopped.map((machine) => machine.name).join(", ");
      if (stopped.length > 0) {
        await withProgress(log, `lab ${name}: starting ${names}`, async () => {
          for (const machine of stopped) {
            await ensureDisk(name, state.index, machine.record, parts, keys);
            await machine.start();
          }
          await lab.waitUntilBooted();
        });
      } else {
        await lab.waitUntilBooted();
      }
      return lab;
    });
  }

  /** Opens an existing lab. @throws when there is none of that name */
  static async open(name: string = DEFAULT_LAB, log: Log = logToStderr): Promise<Lab> {
    checkLabName(name);
    requireRoot();
    const state = readState(name);
    if (state === undefined) {
      throw new Error(`there is no lab "${name}": start it with npm run lab -- up --name ${name}`);
    }
    return new Lab(state, await labKeys(name), log);
  }

  /** Removes a lab completely, even when its records are lost. A missing lab is no error. */
  static async remove(name: string = DEFAULT_LAB, log: Log = logToStderr): Promise<void> {
    checkLabName(name);
    requireRoot();
    await withLock(lockFile(name), log, `lab ${name}`, () => removeLab(name));
    await withLock(INDEX_LOCK, log, "labs", () => Promise.resolve(restoreHost()));
  }

  get name(): string {
    return this.state.name;
  }

  /** The host's address on the bridge, and the machines' default route. */
  get gateway(): string {
    return gatewayOf(this.state.index);
  }

  /** The lab's own folder. Callers may keep files there, which `down` removes. */
  get folder(): string {
    return labDir(this.name);
  }

  get knownHostsFile(): string {
    return join(this.folder, "known_hosts");
  }

  /** The machines in their current state. */
  get machines(): readonly MachineInfo[] {
    return this.all().map((machine) => ({
      name: machine.name,
      address: machine.address,
      role: machine.record.role,
      running: machine.running,
      cut: machine.running && !isCablePluggedIn(this.state.index, machine.record),
    }));
  }

  /**
   * Runs a shell command as root on a machine, without SSH or network.
   *
   * @throws CommandError, or when the machine is off
   */
  async exec(machine: string, command: string, options?: ExecOptions): Promise<Finished> {
    return this.find(machine).exec(command, options);
  }

  /**
   * Path of a running machine's root file system on this computer, with its /proc and sockets. A
   * reboot changes it.
   *
   * @throws when the machine is off
   */
  rootOf(machine: string): string {
    const init = this.find(machine).initPid;
    if (init === undefined) throw new Error(`${machine} is off: its file system is not mounted`);
    return `/proc/${init}/root`;
  }

  /** Shuts a machine down; `hard` cuts its power instead. Its disk stays. */
  async powerOff(machine: string, options: { hard?: boolean } = {}): Promise<void> {
    await this.locked(() => this.find(machine).stop(options.hard ?? false));
  }

  /** Starts a machine from its disk and waits until it has booted. */
  async powerOn(machine: string): Promise<void> {
    await this.locked(async () => {
      await ensureBridge(this.state);
      await this.find(machine).start();
      await this.find(machine).waitUntilBooted(this.log);
    });
  }

  /** Unplugs a machine's network cable. The machine keeps running. */
  async cut(machine: string): Promise<void> {
    await setCable(this.state.index, this.find(machine).record, false);
  }

  /** Plugs the cable in again. */
  async mend(machine: string): Promise<void> {
    await setCable(this.state.index, this.find(machine).record, true);
  }

  /** Reprovisions a machine: cuts its power, replaces its disk and starts it. */
  async wipe(machine: string): Promise<void> {
    const parts = await makeParts(this.log);
    await this.locked(async () => {
      const target = this.find(machine);
      await target.stop(true);
      await removeDisk(this.name, machine);
      await ensureDisk(this.name, this.state.index, target.record, parts, this.keys);
      await ensureBridge(this.state);
      await target.start();
      await target.waitUntilBooted(this.log);
    });
  }

  /** Removes the lab completely: processes, mounts, network, control groups, disks. */
  async down(): Promise<void> {
    await Lab.remove(this.name, this.log);
  }

  private all(): Machine[] {
    return this.state.machines.map((record) => new Machine(this.name, this.state.index, record));
  }

  private find(machine: string): Machine {
    const found = this.all().find(({ name }) => name === machine);
    if (found === undefined) {
      const names = this.state.machines.map(({ name }) => name).join(", ");
      throw new Error(`no machine "${machine}" in lab ${this.name}: it has ${names}`);
    }
    return found;
  }

  private async waitUntilBooted(): Promise<void> {
    await Promise.all(this.all().map((machine) => machine.waitUntilBooted(this.log)));
  }

  private locked<T>(action: () => Promise<T>): Promise<T> {
    return withLock(lockFile(this.name), this.log, `lab ${this.name}`, action);
  }

  private knownHosts(): string {
    return this.all()
      .map(({ address }) => `${address} ${this.keys.hostKey}\n`)
      .join("");
  }
}

/**
 * Records the lab before any part of it is made. Existing machines stay, even if fewer are desired.
 */
async function recordLab(name: string, desired: MachineRecord[], log: Log): Promise<LabState> {
  return withLock(INDEX_LOCK, log, "labs", async () => {
    const former = readState(name);
    const kept = former?.machines ?? [];
    const added = desired.filter((record) => !kept.some((machine) => machine.name === record.name));
    const index = former?.index ?? findBridge(name) ?? freeIndex(name, bridgeExists);
    const state = { name, index, machines: [...kept, ...added] };
    await prepareHost(log);
    writeState(state);
    return state;
  });
}

async function removeLab(name: string): Promise<void> {
  const index = readState(name)?.index ?? findBridge(name);
  await killProcesses(name);
  if (index !== undefined) await removeNetwork(index);
  await removeGroups(name);
  // The records go last: a removal that is cut off can be repeated.
  await removeTree(join(labDir(name), "machines"));
  if (existsSync(labDir(name))) await removeTree(labDir(name));
}

function lockFile(name: string): string {
  return join(LABS_DIR, `.${name}.lock`);
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("the lab needs root: it makes machines");
}
