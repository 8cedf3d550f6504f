import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";

/** Output and exit status of a command. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command on the test's machine; never throws for an exit status. */
export function run(command: string, args: readonly string[], input = ""): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number")
        reject(new Error(`${command}: ${error.message}`));
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin?.on("error", () => undefined); // a command that does not read its stdin
    child.stdin?.end(input);
  });
}

/** A process in a namespace, with a process group of its own. */
export class Job {
  /** Everything it wrote, stdout and stderr. */
  output = "";
  readonly ended: Promise<number | string>;

  constructor(
    readonly child: ChildProcess,
    onLine?: (line: string) => void,
  ) {
    let rest = "";
    child.stdout?.on("data", (data: Buffer) => {
      const lines = (rest + data.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (onLine === undefined) this.output += `${line}\n`;
        else onLine(line);
      }
    });
    child.stderr?.on("data", (data: Buffer) => (this.output += data.toString()));
    this.ended = new Promise((resolve) =>
      child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown")),
    );
  }

  /** Sends a signal to the whole group. */
  signal(name: NodeJS.Signals): void {
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, name);
    } catch {
      // it has ended already
    }
  }

  /** Ends the group and waits for it. */
  async stop(name: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.signal(name);
    await this.ended;
    this.signal("SIGKILL");
  }
}

const PREFIX = "hn";
export const HOSTS = ["sw", "m1", "m2", "cl", "pod"] as const;
export type Host = (typeof HOSTS)[number];

/** Addresses of the hosts; the pod hangs on m1, which routes for it. */
export const ADDRESS = {
  m1: "10.91.0.11",
  m2: "10.91.0.12",
  cl: "10.91.0.50",
  pod: "10.92.0.2",
} as const;
export const ADDRESS6 = { m1: "fd91::11", m2: "fd91::12", cl: "fd91::50" } as const;

/**
 * Network namespaces of this process: two control-plane nodes and a client on a switch, and a pod
 * on m1. Nothing outside them is touched.
 */
export class Network {
  private readonly jobs = new Set<Job>();

  private constructor(private readonly owner: number) {}

  static async create(): Promise<Network> {
    await clearStale();
    const network = new Network(process.pid);
    await network.clear();
    await network.build();
    return network;
  }

  namespace(host: Host): string {
    return `${PREFIX}-${this.owner}-${host}`;
  }

  /** Runs a command on a host; never throws for an exit status. */
  exec(host: Host, command: readonly string[], input = ""): Promise<Ran> {
    return run("ip", ["netns", "exec", this.namespace(host), ...command], input);
  }

  /** As `exec`, but a status other than 0 is an error. */
  async must(host: Host, command: readonly string[], input = ""): Promise<string> {
    const ran = await this.exec(host, command, input);
    if (ran.code !== 0) {
      throw new Error(
        `${host}: ${command.join(" ")}: status ${ran.code}\n${ran.stdout}${ran.stderr}`,
      );
    }
    return ran.stdout;
  }

  /** Starts a process on a host; `clear` ends it at the latest. */
  start(
    host: Host,
    command: readonly string[],
    options: { onLine?: (line: string) => void; input?: string; env?: NodeJS.ProcessEnv } = {},
  ): Job {
    const child = spawn("ip", ["netns", "exec", this.namespace(host), ...command], {
      detached: true,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input);
    const job = new Job(child, options.onLine);
    this.jobs.add(job);
    void job.ended.then(() => this.jobs.delete(job));
    return job;
  }

  /** Removes the namespaces and every process in them. */
  async clear(): Promise<void> {
    await Promise.all([...this.jobs].map((job) => job.stop()));
    for (const host of HOSTS) await removeNamespace(this.namespace(host));
  }

  private async build(): Promise<void> {
    for (const host of HOSTS) {
      await this.ip(["netns", "add", this.namespace(host)]);
      await this.must(host, ["ip", "link", "set", "lo", "up"]);
    }
    await this.must("sw", ["ip", "link", "add", "br0", "type", "bridge"]);
    await this.must("sw", ["ip", "link", "set", "br0", "up"]);
    for (const host of ["m1", "m2", "cl"] as const) {
      await this.wire(host, "eth0", "sw", host);
      await this.must("sw", ["ip", "link", "set", host, "master", "br0"]);
      await this.must(host, ["ip", "address", "add", `${ADDRESS[host]}/24`, "dev", "eth0"]);
      const six = `${ADDRESS6[host]}/64`;
      await this.must(host, ["ip", "address", "add", six, "dev", "eth0", "nodad"]);
      await this.must(host, ["ip", "route", "add", "default", "via", "10.91.0.1"]);
    }
    await this.wire("pod", "eth0", "m1", "pod0");
    await this.must("m1", ["ip", "address", "add", "10.92.0.1/24", "dev", "pod0"]);
    await this.must("m1", ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    await this.must("pod", ["ip", "address", "add", `${ADDRESS.pod}/24`, "dev", "eth0"]);
    await this.must("pod", ["ip", "route", "add", "default", "via", "10.92.0.1"]);
    for (const host of ["m2", "cl"] as const) {
      await this.must(host, ["ip", "route", "add", "10.92.0.0/24", "via", ADDRESS.m1]);
    }
  }

  private async wire(host: Host, device: string, other: Host, name: string): Promise<void> {
    const link = ["link", "add", device, "netns", this.namespace(host), "type", "veth"];
    await this.ip([...link, "peer", "name", name, "netns", this.namespace(other)]);
    await this.must(host, ["ip", "link", "set", device, "up"]);
    await this.must(other, ["ip", "link", "set", name, "up"]);
  }

  private async ip(args: readonly string[]): Promise<void> {
    const ran = await run("ip", args);
    if (ran.code !== 0) throw new Error(`ip ${args.join(" ")}: ${ran.stderr}`);
  }
}

async function removeNamespace(name: string): Promise<void> {
  if (!existsSync(`/run/netns/${name}`)) return;
  const { stdout } = await run("ip", ["netns", "pids", name]);
  for (const pid of stdout.split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // it has ended already
    }
  }
  await run("ip", ["netns", "delete", name]);
}

/** Removes what an interrupted run left: namespaces of processes that no longer exist. */
async function clearStale(): Promise<void> {
  const { stdout } = await run("ip", ["netns", "list"]);
  for (const line of stdout.split("\n")) {
    const found = new RegExp(`^(${PREFIX}-(\\d+)-[a-z0-9]+)`).exec(line);
    if (found?.[1] !== undefined && !existsSync(`/proc/${found[2]}`)) {
      await removeNamespace(found[1]);
    }
  }
}
