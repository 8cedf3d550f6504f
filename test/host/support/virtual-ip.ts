import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { hostPort } from "../../../haproxy/address";
import { filesOf } from "../../../host/part";
import { virtualIpPart, virtualIpPeersPart } from "../../../host/virtual-ip/virtual-ip-part";
import {
  virtualIpPaths,
  type VirtualIpSettings,
} from "../../../host/virtual-ip/virtual-ip-settings";
import { makeCertificates } from "../../haproxy/support/certificates";
import { MachineRoot } from "./machine-root";
import { Job, run } from "./network";
import { waitFor } from "./wait";
import { spawn } from "node:child_process";

/** Addresses of the hosts, of the stand-in for the API servers and of the client. */
export interface Addresses {
  readonly hosts: readonly string[];
  readonly api: string;
  readonly client: string;
  readonly bits: number;
}

export const IPV4: Addresses = {
  hosts: ["10.94.0.11", "10.94.0.12", "10.94.0.13"],
  api: "10.94.0.1",
  client: "10.94.0.50",
  bits: 24,
};

export const IPV6: Addresses = {
  hosts: ["fd94::11", "fd94::12", "fd94::13"],
  api: "fd94::1",
  client: "fd94::50",
  bits: 64,
};

const API = `
const https = require("node:https");
const fs = require("node:fs");
const { address, cert, key, mode } = JSON.parse(process.argv[1]);
https.createServer({ cert, key }, (_, response) => {
  const [kind, from, to] = fs.readFileSync(mode, "utf8").trim().split(" ");
  const delay = kind === "slow" ? Number(from) + Math.random() * (Number(to) - Number(from)) : 0;
  setTimeout(() => response.writeHead(200, { connection: "close" }).end("ok"), delay);
}).listen(6443, address, () => console.error("listening"));
`;

// a new TLS connection each time, begun at a fixed rate
const CLIENT = `
const https = require("node:https");
const { address, everyMs, connectMs } = JSON.parse(process.argv[1]);
setInterval(() => {
  const start = Date.now();
  const done = (error) => console.log(JSON.stringify({ start, end: Date.now(), error }));
  const sent = https.get({ host: address, port: 6444, path: "/livez/ping", agent: false, rejectUnauthorized: false }, (response) => {
    response.resume().on("end", () => done()).on("error", (error) => done(String(error.code)));
  });
  const late = setTimeout(() => sent.destroy(Object.assign(new Error(), { code: "no connection" })), connectMs);
  sent.on("socket", (socket) => socket.once("connect", () => clearTimeout(late)));
  sent.setTimeout(5000, () => sent.destroy(Object.assign(new Error(), { code: "timeout" })));
  sent.on("error", (error) => { clearTimeout(late); done(String(error.code)); });
}, everyMs);
`;

/** One request over a new connection; times are milliseconds of Date.now(). */
export interface Request {
  readonly start: number;
  readonly end: number;
  readonly error?: string;
}

/** New connections at a fixed rate. */
export class Requests {
  readonly all: Request[] = [];

  constructor(private readonly job: Job) {}

  add(line: string): void {
    this.all.push(JSON.parse(line) as Request);
  }

  failures(since = 0): Request[] {
    return this.all.filter(({ start, error }) => start >= since && error !== undefined);
  }

  /** Longest time between two served requests from then on, in ms. */
  gap(since: number): number {
    const times = this.all
      .filter(({ end, error }) => error === undefined && end >= since)
      .map(({ end }) => end)
      .sort((a, b) => a - b);
    return times.reduce(
      (longest, time, index) => Math.max(longest, time - (times[index - 1] ?? since)),
      0,
    );
  }

  /** Waits for requests that begin from now on, all served. */
  async served(count = 10): Promise<void> {
    const from = Date.now();
    await waitFor("served requests", () => {
      const last = this.all.slice(-count);
      return (
        last.length === count &&
        last.every(({ start, error }) => start >= from && error === undefined)
      );
    });
  }

  stop(): Promise<void> {
    return this.job.stop();
  }
}

/** One load-balancer host: real keepalived and HAProxy, the real programs; systemd is a stand-in. */
export class VirtualIpHost extends MachineRoot {
  private readonly jobs = new Set<Job>();
  private haproxy: Job | undefined;
  private unit: Job | undefined;
  private watch: Job | undefined;

  private constructor(
    readonly name: string,
    readonly address: string,
    private readonly settings: VirtualIpSettings,
  ) {
    super();
  }

  static async create(
    name: string,
    address: string,
    settings: VirtualIpSettings,
    peers: readonly string[],
  ): Promise<VirtualIpHost> {
    const host = new VirtualIpHost(name, address, settings);
    await host.start({ addresses: [], stubs: [path.join(__dirname, "virtual-ip-stubs")] });
    const paths = virtualIpPaths(settings.ports.lb);
    for (const part of [virtualIpPart(settings), virtualIpPeersPart(settings.ports.lb, peers)]) {
      for (const file of filesOf(part)) {
        const target = path.join(host.root, file.path);
        mkdirSync(path.dirname(target), { recursive: true });
        writeFileSync(target, file.content, { mode: parseInt(file.mode, 8) });
      }
    }
    for (const folder of [paths.runDir, paths.stateDir]) {
      mkdirSync(path.join(host.root, folder), { recursive: true });
    }
    host.write("program", paths.program);
    return host;
  }

  /** Process whose namespaces the host has. */
  get namespace(): number {
    return this.holder as number;
  }

  /** Starts a program on the host; it ends with the host. */
  job(...command: string[]): Job {
    const inside = ["-t", String(this.holder), "-m", "-n", "chroot", this.root, ...command];
    const child = spawn("nsenter", inside, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const job = new Job(child);
    this.jobs.add(job);
    void job.ended.then(() => this.jobs.delete(job));
    return job;
  }

  /** Runs a command on the host. @throws when it fails */
  async must(...command: string[]): Promise<string> {
    const inside = ["-t", String(this.holder), "-m", "-n", "chroot", this.root, ...command];
    const { code, stdout, stderr } = await run("nsenter", inside);
    assert.equal(code, 0, `${this.name}: ${command.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  /** HAProxy on its own address and the virtual one. */
  startHaproxy(api: string): void {
    const { address: virtual, ports } = this.settings;
    writeFileSync(
      path.join(this.root, "etc/haproxy.cfg"),
      [
        "global",
        "  maxconn 500",
        "defaults",
        "  mode tcp",
        "  timeout connect 5s",
        "  timeout client 60s",
        "  timeout server 60s",
        "frontend lb",
        `  bind ${this.address}:${ports.lb}`,
        `  bind ${virtual}:${ports.lb} transparent`,
        "  default_backend api",
        "backend api",
        `  server api ${hostPort(api, 6443)}`,
        "",
      ].join("\n"),
    );
    this.haproxy = this.job("haproxy", "-db", "-f", "/etc/haproxy.cfg");
  }

  signalHaproxy(signal: NodeJS.Signals): void {
    this.haproxy?.signal(signal);
  }

  startUnit(): void {
    rmSync(path.join(this.fake, "stop"), { force: true });
    this.unit = this.job("virtual-ip-unit");
  }

  startWatch(): void {
    this.watch = this.job(virtualIpPaths(this.settings.ports.lb).program, "watch");
  }

  stopWatch(): Promise<void> | undefined {
    return this.watch?.stop("SIGKILL");
  }

  /** Stops keepalived in order, as systemd does. */
  async stopUnit(): Promise<void> {
    this.write("stop", "");
    await this.must(virtualIpPaths(this.settings.ports.lb).program, "drain");
    process.kill(this.keepalived("main"), "SIGTERM");
    await this.unit?.ended;
  }

  /** What keepalived and the programs have written. */
  get output(): string {
    return `${this.unit?.output ?? ""}${this.watch?.output ?? ""}`;
  }

  /** Pid of keepalived's parent process, or of the one that speaks VRRP. */
  keepalived(which: "main" | "vrrp"): number {
    const { runDir } = virtualIpPaths(this.settings.ports.lb);
    const file = which === "main" ? this.read("main") : this.file(`${runDir}/vrrp.pid`);
    return Number(file);
  }

  file(name: string): string {
    return readFileSync(path.join(this.root, name), "utf8");
  }

  /** Why keepalived is not started, as the program has written it. */
  waiting(): string {
    const { runDir } = virtualIpPaths(this.settings.ports.lb);
    return this.has(`${runDir}/waiting`) ? this.file(`${runDir}/waiting`) : "";
  }

  /** The configured peers from now on; the watchdog sees them within some seconds. */
  know(peers: readonly string[]): void {
    const { peersFile } = virtualIpPaths(this.settings.ports.lb);
    writeFileSync(path.join(this.root, peersFile), peers.map((peer) => `${peer}\n`).join(""));
  }

  /** MASTER, BACKUP, ..., as keepalived's notify script has written it. */
  state(): string {
    const { runDir } = virtualIpPaths(this.settings.ports.lb);
    return this.has(`${runDir}/state`) ? (this.file(`${runDir}/state`).split(" ")[0] ?? "") : "";
  }

  /** Whether it serves, or why it does not. */
  serves(): string {
    const { runDir } = virtualIpPaths(this.settings.ports.lb);
    return this.has(`${runDir}/serves`) ? this.file(`${runDir}/serves`).trim() : "";
  }

  /** Does the host have the virtual IP? */
  async holds(): Promise<boolean> {
    const out = await this.must("ip", "-o", "address", "show", "to", this.settings.address);
    return out.trim() !== "";
  }

  /** The power goes: no process of the host does anything more, and its link is down. */
  async powerOff(): Promise<void> {
    await this.must("ip", "link", "set", "eth0", "down");
    await this.end();
  }

  async end(): Promise<void> {
    if (this.has("fake/main")) {
      try {
        process.kill(-this.keepalived("main"), "SIGKILL");
      } catch {
        // it has ended
      }
    }
    await Promise.all([...this.jobs].map((job) => job.stop()));
  }
}

/** A switch with load-balancer hosts, a stand-in for the API servers behind them, and a client. */
export class VirtualIpNetwork {
  private readonly jobs: Job[] = [];
  private readonly folder = mkdtempSync(path.join(tmpdir(), "virtual-ip-test-"));
  readonly hosts: VirtualIpHost[] = [];

  private constructor(readonly addresses: Addresses) {}

  static async create(addresses: Addresses): Promise<VirtualIpNetwork> {
    const network = new VirtualIpNetwork(addresses);
    for (const name of ["switch", "client"]) {
      await ip("netns", "add", network.netns(name));
      await ip("-n", network.netns(name), "link", "set", "lo", "up");
    }
    const bridge = ["-n", network.netns("switch"), "link"];
    for (const name of ["br0", "br1"]) {
      await ip(...bridge, "add", name, "type", "bridge", "forward_delay", "0");
      await ip(...bridge, "set", name, "up");
    }
    await network.give(network.netns("switch"), "br0", addresses.api);
    await network.wire("client", network.netns("client"), addresses.client);
    network.api("good");
    const { cert, key } = makeCertificates(network.folder);
    const mode = path.join(network.folder, "api");
    const settings = JSON.stringify({ address: addresses.api, cert, key, mode });
    const server = network.job("switch", [process.execPath, "-e", API, settings]);
    await waitFor("the stand-in for the API servers", () => server.output.includes("listening"));
    return network;
  }

  private netns(name: string): string {
    return `vi-${process.pid}-${name}`;
  }

  private async give(netns: string, device: string, address: string): Promise<void> {
    const bits = `${address}/${this.addresses.bits}`;
    const nodad = address.includes(":") ? ["nodad"] : [];
    await ip("-n", netns, "address", "add", bits, "dev", device, ...nodad);
  }

  private async wire(name: string, netns: string, address: string): Promise<void> {
    const [sw, port] = [this.netns("switch"), `p-${name}`];
    await ip(
      "link",
      "add",
      "eth0",
      "netns",
      netns,
      "type",
      "veth",
      "peer",
      "name",
      port,
      "netns",
      sw,
    );
    await ip("-n", sw, "link", "set", port, "master", "br0", "up");
    await ip("-n", netns, "link", "set", "eth0", "up");
    await this.give(netns, "eth0", address);
  }

  private job(name: string, command: readonly string[], onLine?: (line: string) => void): Job {
    const child = spawn("ip", ["netns", "exec", this.netns(name), ...command], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const job = new Job(child, onLine);
    this.jobs.push(job);
    return job;
  }

  /** Adds a host; nothing runs on it yet. */
  async add(
    index: number,
    settings: VirtualIpSettings,
    peers = this.addresses.hosts,
  ): Promise<VirtualIpHost> {
    const address = this.addresses.hosts[index] as string;
    const name = `h${index + 1}`;
    const host = await VirtualIpHost.create(name, address, settings, peers);
    this.hosts.push(host);
    // ip takes a process for a name
    const netns = `vi-${process.pid}-${name}`;
    await ip("netns", "attach", netns, String(host.namespace));
    await this.wire(name, netns, address);
    return host;
  }

  /** How the stand-in for the API servers answers: at once, or after a random time in ms. */
  api(mode: "good" | `slow ${number} ${number}`): void {
    writeFileSync(path.join(this.folder, "api"), mode);
  }

  /** The cable between a host and the switch. */
  async cable(host: VirtualIpHost, state: "up" | "down"): Promise<void> {
    await ip("-n", this.netns("switch"), "link", "set", `p-${host.name}`, state);
  }

  /** Puts a host on the switch, or on another one: then its link stays up, and nobody hears it. */
  async connect(host: VirtualIpHost, to: "br0" | "br1"): Promise<void> {
    await ip("-n", this.netns("switch"), "link", "set", `p-${host.name}`, "master", to);
  }

  /** A client that begins a new connection to the virtual IP every 50 ms. */
  requests(address: string, connectMs = 200): Requests {
    const settings = JSON.stringify({ address, everyMs: 50, connectMs });
    const command = [process.execPath, "-e", CLIENT, settings];
    const job = this.job("client", command, (line) => requests.add(line));
    const requests = new Requests(job);
    return requests;
  }

  /** The first advertisement that reaches the client by multicast within these seconds. */
  async advertisements(seconds: number): Promise<string[]> {
    const six = this.addresses.api.includes(":");
    const address = six
      ? "IP6-RECV:112,ipv6-join-group=[ff02::12]:eth0"
      : "IP4-RECV:112,ip-add-membership=224.0.0.18:eth0";
    const listen = ["timeout", String(seconds), "socat", "-u", "-x", address, "/dev/null"];
    const { stderr } = await run("ip", ["netns", "exec", this.netns("client"), ...listen]);
    return stderr.split("\n").filter((line) => line.startsWith("> "));
  }

  /** The only host with the address, once there is one. */
  holder(): Promise<VirtualIpHost> {
    return waitFor("one holder", async () => {
      const holders = await this.holders();
      const [first] = holders;
      return holders.length === 1 && first?.state() === "MASTER" ? first : undefined;
    });
  }

  async holders(): Promise<VirtualIpHost[]> {
    const holds = await Promise.all(this.hosts.map((host) => host.holds()));
    return this.hosts.filter((_, index) => holds[index]);
  }

  async clear(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
    for (const host of this.hosts) {
      await host.end();
      await run("ip", ["netns", "delete", this.netns(host.name)]);
      host.dispose();
    }
    for (const name of ["switch", "client"]) await run("ip", ["netns", "delete", this.netns(name)]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await run("ip", args);
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}
