import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Finished,
  type Log,
  logToStderr,
  removeTree,
  withLock,
  withProgress,
} from "../../tools/src/index";
import { poolOf, withMachine } from "./added-machines";
import { waitForCloudInit, type CloudInitResult, type CloudInitWait } from "./cloud-init";
import { ensureDisk, machineDir, removeDisk } from "./disk";
import { restoreHost } from "./host-settings";
import { labKeys, type LabKeys } from "./keys";
import { Machine, type ExecOptions } from "./machine";
import { ensureBridge, gatewayOf, isCablePluggedIn, setCable } from "./network";
import { makeParts } from "./parts";
import { labDir } from "./paths";
import { INDEX_LOCK, lockFile, recordLab, removeLab } from "./records";
import { USER } from "./rootfs";
import { keepSeed } from "./seed";
import { allowSshCommand } from "./ssh-access";
import {
  checkLabName,
  DEFAULT_LAB,
  machineRecords,
  readState,
  writeState,
  type LabState,
} from "./state";
import type { LabOptions, LabSsh, MachineInfo, UserDataMachine } from "./types";

/** Bare machines on a bridge of their own. Needs root. */
export class Lab {
  readonly ssh: LabSsh;

  private constructor(
    readonly name: string,
    /** N in the lab's subnet 10.77.N.0/24. */
    readonly index: number,
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
      const lab = new Lab(name, state.index, keys, log);
      await ensureBridge(state);
      lab.writeKnownHosts();
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
    return new Lab(name, state.index, await labKeys(name), log);
  }

  /** Removes a lab completely, even when its records are lost. A missing lab is no error. */
  static async remove(name: string = DEFAULT_LAB, log: Log = logToStderr): Promise<void> {
    checkLabName(name);
    requireRoot();
    await withLock(lockFile(name), log, `lab ${name}`, () => removeLab(name));
    await withLock(INDEX_LOCK, log, "labs", () => Promise.resolve(restoreHost()));
  }

  /** The host's address on the bridge, and the machines' default route. */
  get gateway(): string {
    return gatewayOf(this.index);
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
      cut: machine.running && !isCablePluggedIn(this.index, machine.record),
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
    await setCable(this.index, this.find(machine).record, false);
  }

  /** Plugs the cable in again. */
  async mend(machine: string): Promise<void> {
    await setCable(this.index, this.find(machine).record, true);
  }

  /** Reprovisions a machine: cuts its power, replaces its disk and starts it. */
  async wipe(machine: string): Promise<void> {
    const parts = await makeParts(this.log);
    await this.locked(async () => {
      const target = this.find(machine);
      await target.stop(true);
      await removeDisk(this.name, machine);
      await ensureDisk(this.name, this.index, target.record, parts, this.keys);
      await ensureBridge(this.state);
      await target.start();
      await target.waitUntilBooted(this.log);
    });
  }

  /** Addresses of added machines, the first and the last. */
  get pool(): { readonly first: string; readonly last: string } {
    return poolOf(this.index);
  }

  /**
   * Adds a machine and starts it. It boots from user data alone: sshd is off until `allowSsh`. The
   * boot goes on when this returns.
   *
   * @returns the machine, with its address
   * @throws when the name or the address is taken
   */
  async add(machine: UserDataMachine): Promise<MachineInfo> {
    const { name, userData, metaData } = machine;
    const parts = await makeParts(this.log);
    await this.locked(async () => {
      const { record, state } = withMachine(this.state, machine);
      // recorded first, so that `down` finds all of it
      writeState(state);
      const own = { "instance-id": name, "local-hostname": name };
      keepSeed(machineDir(this.name, name), { userData, metaData: metaData ?? own });
      await ensureDisk(this.name, this.index, record, parts, this.keys);
      await ensureBridge(state);
      this.writeKnownHosts();
      await this.find(name).start();
    });
    return this.machines.find((added) => added.name === name)!;
  }

  /** Cuts an added machine's power and removes it with its disk. A missing one is no error. */
  async discard(machine: string): Promise<void> {
    await this.locked(async () => {
      const target = this.all().find(({ name }) => name === machine);
      if (target === undefined) return;
      await target.stop(true);
      await removeDisk(this.name, machine);
      await removeTree(machineDir(this.name, machine));
      const machines = this.state.machines.filter(({ name }) => name !== machine);
      writeState({ ...this.state, machines });
    });
  }

  /** Waits until a machine's cloud-init has ended, well or not. @throws at the deadline */
  waitForCloudInit(machine: string, options: CloudInitWait): Promise<CloudInitResult> {
    return waitForCloudInit(this.find(machine), options);
  }

  /** Switches sshd on and lets `ssh.user` log in, on a machine that boots from user data. */
  async allowSsh(machine: string): Promise<void> {
    await this.exec(machine, allowSshCommand(this.keys));
  }

  /** What a machine has written on its console since it was started, without colours. */
  console(machine: string): string {
    return this.find(machine).console();
  }

  /** Removes the lab completely: processes, mounts, network, control groups, disks. */
  async down(): Promise<void> {
    await Lab.remove(this.name, this.log);
  }

  /** Read each time: other processes may add machines. */
  private get state(): LabState {
    const state = readState(this.name);
    if (state === undefined) throw new Error(`the lab "${this.name}" is gone`);
    return state;
  }

  private all(): Machine[] {
    return this.state.machines.map((record) => new Machine(this.name, this.index, record));
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

  private writeKnownHosts(): void {
    const lines = this.all().map(({ address }) => `${address} ${this.keys.hostKey}\n`);
    writeFileSync(this.knownHostsFile, lines.join(""));
  }
}

function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("the lab needs root: it makes machines");
}
