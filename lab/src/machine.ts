import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type Finished, type Log, run, waitUntil } from "../../tools/src/index";
import { ensureGroups, killProcesses, removeGroups } from "./cgroups";
import { machineDir, readDisk } from "./disk";
import { launcherScript } from "./launcher";
import { addressOf, netnsFile, plugIn, portOf, unplug } from "./network";
import type { MachineRecord } from "./state";

/** For slow computers: an idle one boots a machine in 2-5 s. */
const BOOT_SECONDS = 240;

/** systemd gives services 90 s to stop. */
const SHUTDOWN_SECONDS = 120;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface ExecOptions {
  /** Standard input. @default empty */
  readonly input?: string;
  /** Deadline in milliseconds; the command is killed after it. @default none */
  readonly timeoutMs?: number;
  /** Throw on an exit code other than 0. @default true */
  readonly check?: boolean;
}

/**
 * One machine of a lab: a systemd-nspawn container with its own disk, network namespace and control
 * groups.
 */
export class Machine {
  constructor(
    readonly lab: string,
    readonly index: number,
    readonly record: MachineRecord,
  ) {}

  get name(): string {
    return this.record.name;
  }

  get address(): string {
    return addressOf(this.index, this.record);
  }

  /** Boot messages of the machine's systemd. */
  get consoleFile(): string {
    return join(machineDir(this.lab, this.name), "console.log");
  }

  /** PID of the machine's init in the host's PID namespace. A reboot changes it. */
  get initPid(): number | undefined {
    const launcher = this.launcherPid();
    if (launcher === undefined) return undefined;
    const grandchildren = childrenOf(launcher).flatMap(childrenOf);
    return grandchildren.find((pid) => / 1$/m.test(statusLine(pid, "NSpid")));
  }

  get running(): boolean {
    return this.launcherPid() !== undefined;
  }

  /**
   * Starts the machine and does not wait for the boot. Clears the remains of an earlier run first.
   */
  async start(): Promise<void> {
    if (this.running) return;
    await this.clear();
    const mountpoint = join(machineDir(this.lab, this.name), "mount");
    mkdirSync(mountpoint, { recursive: true });
    await plugIn(this.index, this.record);
    const script = launcherScript({
      id: portOf(this.index, this.record),
      hostname: this.name,
      netns: netnsFile(this.index, this.record),
      disk: readDisk(this.lab, this.name),
      mountpoint,
      groups: ensureGroups(this.lab, this.name),
      devices: ["/dev/kmsg", "/dev/fuse"].filter((device) => existsSync(device)),
    });
    const log = openSync(this.consoleFile, "w");
    // A clean environment: the caller's must not leak into the machine.
    const child = spawn("sh", ["-c", script], {
      detached: true,
      stdio: ["ignore", log, log],
      env: { PATH },
      cwd: "/",
    });
    closeSync(log);
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    const pid = child.pid ?? 0;
    writeFileSync(this.pidFile, `${pid} ${startTime(pid) ?? ""}`);
  }

  /**
   * Waits until systemd has finished booting and containerd and sshd answer; on a machine that boots
   * from user data only until systemd answers, because that boot may take as long as it needs.
   *
   * @throws when the machine ends or time is up; the error has the last lines of the console
   */
  async waitUntilBooted(log: Log): Promise<void> {
    let seen = "not started";
    const step = async (what: string, probe: () => Promise<boolean>): Promise<void> => {
      await waitUntil(
        `booting ${this.name} (${what})`,
        {
          seconds: BOOT_SECONDS,
          everyMs: 250,
          lastSeen: () => `${seen}\n${this.lastConsoleLines()}`,
          retryErrors: false,
        },
        async () => {
          if (!this.running) {
            throw new Error(`${this.name} ended while booting\n${this.lastConsoleLines()}`);
          }
          return probe();
        },
      );
    };
    await step("systemd", async () => {
      if (this.initPid === undefined) return false;
      seen = (await this.exec("systemctl is-system-running", { check: false })).stdout.trim();
      const starting = this.record.userData === true ? ["starting"] : [];
      return ["running", "degraded", ...starting].includes(seen);
    });
    if (this.record.userData === true) return;
    if (seen === "degraded") {
      const failed = await this.exec("systemctl --failed --plain --no-legend", { check: false });
      log(`${this.name}: booted, but with failed units: ${failed.stdout.trim()}`);
    }
    await step("containerd", async () => {
      const version = await this.exec("ctr version", { check: false });
      seen = version.stderr.trim();
      return version.code === 0;
    });
    await step("sshd", () => answersSsh(this.address));
  }

  /** Runs a shell command as root on the machine. @throws when the machine is off */
  async exec(command: string, options: ExecOptions = {}): Promise<Finished> {
    const init = this.initPid;
    if (init === undefined) throw new Error(`${this.name} is off: ${command} cannot run`);
    const enter = `for group do echo $$ > "$group/cgroup.procs"; done
exec nsenter --target ${init} --all env -i PATH=${PATH} HOME=/root LANG=C.UTF-8 sh -c "$COMMAND"`;
    return run(["sh", "-euc", enter, "sh", ...ensureGroups(this.lab, this.name).join], {
      ...options,
      env: { COMMAND: command },
      title: `${this.name}: ${command}`,
    });
  }

  /** Shuts the machine down, or cuts its power, and clears its remains. The disk stays. */
  async stop(hard: boolean): Promise<void> {
    if (this.running && !hard) {
      await this.exec("systemctl poweroff", { check: false });
      const patience = { seconds: SHUTDOWN_SECONDS, everyMs: 200 };
      const stopped = () => !this.running;
      await waitUntil(`shutting down ${this.name}`, patience, stopped).catch(() => undefined);
    }
    await this.clear();
  }

  /** Kills all processes of the machine and removes its network and groups. */
  async clear(): Promise<void> {
    const init = this.initPid;
    await killProcesses(this.lab, this.name, init === undefined ? [] : [init]);
    await removeGroups(this.lab, this.name);
    await unplug(this.index, this.record);
    rmSync(this.pidFile, { force: true });
  }

  /** What it has written on its console since it was started, without colours. */
  console(): string {
    return stripVTControlCharacters(read(this.consoleFile)).replaceAll("\r", "");
  }

  private get pidFile(): string {
    return join(machineDir(this.lab, this.name), "pid");
  }

  /** PID of the launcher, if the recorded process still runs. */
  private launcherPid(): number | undefined {
    if (!existsSync(this.pidFile)) return undefined;
    const [pid, start] = readFileSync(this.pidFile, "utf8").split(" ");
    return start !== "" && startTime(Number(pid)) === start ? Number(pid) : undefined;
  }

  private lastConsoleLines(): string {
    return this.console().split("\n").slice(-15).join("\n");
  }
}

/**
 * Start time in clock ticks since boot, which tells reused PIDs apart; undefined for dead
 * processes.
 */
function startTime(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the name in parentheses, which may contain spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((text) => text !== "")
    .map(Number);
}

function statusLine(pid: number, key: string): string {
  const lines = read(`/proc/${pid}/status`).split("\n");
  return (lines.find((line) => line.startsWith(`${key}:`)) ?? "").replaceAll("\t", " ");
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function answersSsh(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 2000 });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => finish(data.toString().startsWith("SSH-2.0-")));
    socket.once("error", () => finish(false));
    socket.once("timeout", () => finish(false));
    socket.once("close", () => resolve(false));
  });
}
