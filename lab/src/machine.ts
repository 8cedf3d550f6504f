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
import { ensureGroups, hierarchies, killProcesses, removeGroups } from "./cgroups";
import { machineDir, readDisk } from "./disk";
import { launcherScript } from "./launcher";
import type { Log } from "./log";
import { addressOf, netnsFile, plugIn, portOf, unplug } from "./network";
import { run, waitFor, type Finished } from "./process";
import type { MachineRecord } from "./state";

/** Slow computers boot slowly; a boot takes 2-5 s on an idle one. */
const BOOT_DEADLINE_MS = 240_000;

/** systemd gives services 90 s to stop. */
const SHUTDOWN_DEADLINE_MS = 120_000;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface ExecOptions {
  /** Standard input. Default: none. */
  readonly input?: string;
  /** Kills the command after that time. Default: no limit. */
  readonly timeoutMs?: number;
  /** Throw on an exit code other than 0. Default true. */
  readonly check?: boolean;
}

/** One machine of a lab: a systemd-nspawn container with its own disk, network namespace and control groups. */
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

  /** What the machine's systemd prints at boot. */
  get consoleFile(): string {
    return join(machineDir(this.lab, this.name), "console.log");
  }

  /** Process id of the running machine's init on the host. Another one after a reboot. */
  get initPid(): number | undefined {
    const launcher = this.launcherPid();
    if (launcher === undefined) return undefined;
    const grandchildren = childrenOf(launcher).flatMap(childrenOf);
    return grandchildren.find((pid) => / 1$/m.test(statusLine(pid, "NSpid")));
  }

  get running(): boolean {
    return this.launcherPid() !== undefined;
  }

  /** Starts the machine without waiting for anything. What is left of a former run of it is cleared first. */
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
      hierarchies: hierarchies(),
      devices: ["/dev/kmsg", "/dev/fuse"].filter((device) => existsSync(device)),
    });
    const log = openSync(this.consoleFile, "w");
    // An environment of its own: nothing of the caller's gets into the machine.
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

  /** Waits until systemd has finished booting and containerd and sshd answer. @throws with the console's last lines */
  async waitUntilBooted(log: Log): Promise<void> {
    let seen = "not started";
    const step = async (what: string, probe: () => Promise<boolean>): Promise<void> => {
      await waitFor(
        `${this.name} to boot (${what})`,
        BOOT_DEADLINE_MS,
        async () => {
          if (!this.running) throw new Error(`${this.name} ended while booting\n${this.console()}`);
          return (await probe()) ? true : undefined;
        },
        () => `${seen}\n${this.console()}`,
        250,
      );
    };
    await step("systemd", async () => {
      if (this.initPid === undefined) return false;
      seen = (await this.exec("systemctl is-system-running", { check: false })).stdout.trim();
      return seen === "running" || seen === "degraded";
    });
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
    return run(["sh", "-euc", enter, "sh", ...ensureGroups(this.lab, this.name)], {
      ...options,
      env: { COMMAND: command },
      title: `${this.name}: ${command}`,
    });
  }

  /** Shuts down in order, or cuts the power. What is left over is cleared; the disk stays. */
  async stop(hard: boolean): Promise<void> {
    if (this.running && !hard) {
      await this.exec("systemctl poweroff", { check: false });
      const end = () => (this.running ? undefined : true);
      await waitFor(`${this.name} to shut down`, SHUTDOWN_DEADLINE_MS, end).catch(() => undefined);
    }
    await this.clear();
  }

  /** Ends whatever runs of the machine and removes its network and groups. */
  async clear(): Promise<void> {
    const init = this.initPid;
    await killProcesses(this.lab, this.name, init === undefined ? [] : [init]);
    await removeGroups(this.lab, this.name);
    await unplug(this.index, this.record);
    rmSync(this.pidFile, { force: true });
  }

  private get pidFile(): string {
    return join(machineDir(this.lab, this.name), "pid");
  }

  /** The recorded process, if it is still the same one. */
  private launcherPid(): number | undefined {
    if (!existsSync(this.pidFile)) return undefined;
    const [pid, start] = readFileSync(this.pidFile, "utf8").split(" ");
    return start !== "" && startTime(Number(pid)) === start ? Number(pid) : undefined;
  }

  private console(): string {
    if (!existsSync(this.consoleFile)) return "";
    return readFileSync(this.consoleFile, "utf8").split("\n").slice(-15).join("\n");
  }
}

/** When a process started, in clock ticks since boot: with the id it names a process for ever. Undefined for dead ones. */
function startTime(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the name in parentheses, and may itself contain spaces and parentheses.
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
