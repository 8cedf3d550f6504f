/** HAProxy, the updater and fake API servers in one folder; `stop` ends and removes all of it. */
import { spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderHaproxyConfig } from "../../../haproxy/config";
import { MasterApi } from "../../../haproxy/master";
import { formatBackend, type Backend } from "../../../haproxy/model";
import { RuntimeApi } from "../../../haproxy/runtime";
import { renderServerState, type Health } from "../../../haproxy/server-state";
import { firstSlots } from "../../../haproxy/slots";
import { haproxyBinaries } from "../../../lab/src/haproxy-binaries";
import { bundleUpdater } from "../../../updater/bundle";
import { updaterArguments } from "../../../updater/command";
import type { UpdaterStatus } from "../../../updater/report/status-server";
import type { UpdaterSettings } from "../../../updater/settings";
import { exampleSettings } from "../../unit/updater/example-settings";
import type { ApiServer, Orders } from "./api-server";
import { makeCertificates, type Certificates } from "./certificates";
import { Watch, whoAnswers } from "./client";
import { FakeControlPlane, TOKEN } from "./control-plane";
import { Load } from "./load";
import type { Machine } from "./machines";
import { freePort, ownAddress } from "./network";
import { end, isRunning, Processes } from "./processes";
import { waitFor } from "./wait";

/** The HAProxy versions that this machine has. */
export const BINARIES = haproxyBinaries();
export type Binary = (typeof BINARIES)[number];

export class Rig {
  readonly folder: string;
  readonly certificates: Certificates;
  readonly settings: UpdaterSettings;
  readonly runtime: RuntimeApi;
  readonly master: MasterApi;
  readonly controlPlane: FakeControlPlane;
  readonly #binary: Binary;
  readonly #processes: Processes;
  #haproxy: ChildProcess | undefined;
  #updater: ChildProcess | undefined;

  private constructor(folder: string, binary: Binary, settings: UpdaterSettings) {
    this.folder = folder;
    this.#binary = binary;
    this.#processes = new Processes(folder, this.#env());
    this.certificates = makeCertificates(folder);
    this.controlPlane = new FakeControlPlane(this.certificates);
    this.settings = settings;
    this.runtime = new RuntimeApi(settings.haproxy.adminSocket, { timeoutMs: 20_000 });
    this.master = new MasterApi(settings.masterSocket, { deadlineMs: 40_000 });
  }

  static async create(
    binary: Binary,
    changes: Partial<UpdaterSettings["haproxy"]> = {},
  ): Promise<Rig> {
    const folder = mkdtempSync(join(tmpdir(), "control-plane-lb-haproxy-"));
    const example = exampleSettings(folder);
    const rig = new Rig(folder, binary, {
      ...example,
      haproxy: {
        ...example.haproxy,
        listen: ["${HOST_IP}"],
        port: await freePort(),
        healthPort: await freePort(),
        maxConnections: 500,
        ...changes,
      },
      apiPort: 1,
      localAddress: ownAddress(),
      drainSeconds: 1,
      prepareWaitSeconds: 30,
    });
    writeFileSync(rig.settings.tokenFile, TOKEN);
    writeFileSync(join(folder, "updater.js"), bundleUpdater());
    rig.writeSettings();
    return rig;
  }

  get port(): number {
    return this.settings.haproxy.port;
  }

  get caFile(): string {
    return this.certificates.caFile;
  }

  writeSettings(changes: Partial<UpdaterSettings> = {}): void {
    writeFileSync(
      join(this.folder, "settings.json"),
      JSON.stringify({ ...this.settings, ...changes }),
    );
  }

  get servers(): Map<string, ApiServer> {
    return this.controlPlane.servers;
  }

  addServer(name: string, orders?: Orders, port?: number, machine?: Machine): Promise<ApiServer> {
    return this.controlPlane.add(name, orders, port, machine);
  }

  server(name: string): ApiServer {
    return this.controlPlane.server(name);
  }

  data(...names: string[]): Record<string, string> {
    return this.controlPlane.data(...names);
  }

  setConfigMap(data: Record<string, string> | null): Promise<void> {
    return this.controlPlane.setConfigMap(data);
  }

  setSlice(addresses: readonly string[] | null): Promise<void> {
    return this.controlPlane.setSlice(addresses);
  }

  events(): Promise<string> {
    return this.controlPlane.events();
  }

  /** The ConfigMap as a mounted volume: without the keys that it had before. */
  writeInitialBackends(data: Record<string, string>): void {
    rmSync(this.settings.initialBackendsDir, { recursive: true, force: true });
    mkdirSync(this.settings.initialBackendsDir, { recursive: true });
    for (const [key, value] of Object.entries(data)) {
      writeFileSync(join(this.settings.initialBackendsDir, key), value);
    }
  }

  /** The ConfigMap on all API servers, and as a mounted volume. */
  async publish(data: Record<string, string>): Promise<void> {
    await this.setConfigMap(data);
    this.writeInitialBackends(data);
  }

  /** A configuration without the updater. */
  writeConfig(backends: readonly Backend[], health: Health): void {
    const slots = firstSlots(backends);
    writeFileSync(this.settings.haproxy.stateFile, renderServerState(slots, health));
    writeFileSync(this.settings.configFile, renderHaproxyConfig(this.settings.haproxy, slots));
  }

  /** `haproxy -c`: exit code and output. */
  checkConfig(env: NodeJS.ProcessEnv = {}): { code: number | null; output: string } {
    const [program = "", ...args] = this.#binary.command;
    const run = spawnSync(program, [...args, "-c", "-f", this.settings.configFile], {
      encoding: "utf8",
      env: { ...this.#env(), ...env },
    });
    return { code: run.status, output: `${run.stdout}${run.stderr}` };
  }

  /**
   * @param openFiles limit of open files, hard and soft.
   * @param launcher command that runs HAProxy's command
   */
  async startHaproxy(openFiles?: number, launcher: readonly string[] = []): Promise<void> {
    const { masterSocket, configFile } = this.settings;
    const limit = openFiles === undefined ? [] : ["prlimit", `--nofile=${openFiles}:${openFiles}`];
    const [program = "", ...args] = [...launcher, ...limit, ...this.#binary.command];
    this.#haproxy = this.#processes.start("haproxy", program, [
      ...args,
      ...["-W", "-db", "-S", masterSocket, "-f", configFile],
    ]);
    await waitFor("HAProxy answers", () => this.runtime.snapshot());
  }

  async killHaproxy(): Promise<void> {
    const pids = await this.master.workers();
    await end(this.#haproxy, "SIGKILL");
    // The worker follows its master process; the next one needs the port.
    for (const pid of pids) await waitFor(`worker ${pid} is gone`, () => !isRunning(pid));
  }

  async prepare(): Promise<void> {
    const run = this.#processes.start("updater", process.execPath, this.#updaterArgs("prepare"));
    const code = await new Promise((resolve) => run.once("exit", resolve));
    if (code !== 0) throw new Error(`prepare ended with ${String(code)}: ${this.log("updater")}`);
  }

  /** @param nodeArguments options of node. @param env of the updater alone. */
  async startUpdater(
    nodeArguments: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    this.runUpdater(nodeArguments, env);
    await waitFor("the updater is in touch", async () => {
      const { lastSyncSeconds } = await this.status();
      return lastSyncSeconds !== null;
    });
  }

  /** Starts the updater; it may find no API server. */
  runUpdater(nodeArguments: readonly string[] = [], env: NodeJS.ProcessEnv = {}): void {
    const args = [...nodeArguments, ...this.#updaterArgs("run")];
    this.#updater = this.#processes.start("updater", process.execPath, args, env);
  }

  get updaterPid(): number {
    const pid = this.#updater?.pid;
    if (pid === undefined) throw new Error("the updater does not run");
    return pid;
  }

  async killUpdater(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await end(this.#updater, signal);
  }

  /** `/updater/status` through HAProxy's health port. */
  async status(): Promise<UpdaterStatus> {
    const { status, body } = await this.health("/updater/status");
    if (status !== 200) throw new Error(`status ${status}`);
    return JSON.parse(body) as UpdaterStatus;
  }

  health(path: string): Promise<{ status: number; body: string }> {
    const { healthPort } = this.settings.haproxy;
    return new Promise((resolve, reject) => {
      get(
        { host: "127.0.0.1", port: healthPort, path, agent: false, timeout: 10_000 },
        (answer) => {
          let body = "";
          answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
        },
      )
        .on("error", reject)
        .on("timeout", function (this: { destroy(error: Error): void }) {
          this.destroy(new Error("timed out"));
        });
    });
  }

  /** A value of the updater's metrics. */
  async metric(name: string): Promise<number> {
    const { body } = await this.health("/updater/metrics");
    const line = body.split("\n").find((it) => it.startsWith(`control_plane_lb_updater_${name} `));
    if (line === undefined) throw new Error(`no metric ${name}`);
    return Number(line.split(" ")[1]);
  }

  /** Which API server answers a new connection to the endpoint; rejects when none does. */
  ask(timeoutMs?: number): Promise<string> {
    return whoAnswers(this.port, this.caFile, timeoutMs);
  }

  /** An open watch through the endpoint. @param server that it must reach */
  watch(server?: string): Promise<Watch> {
    return server === undefined
      ? Watch.open(this.port, this.caFile)
      : Watch.openOn(server, this.port, this.caFile);
  }

  /** Waits for this many more checks of an API server. */
  async checked(name: string, count: number): Promise<void> {
    const checks = async (): Promise<number> => (await this.server(name).report()).checks;
    const before = await checks();
    await waitFor(`${count} checks of ${name}`, async () => (await checks()) >= before + count);
  }

  /** New connections to the endpoint, one after the other. */
  load(pauseMs?: number): Load {
    return Load.begin(this.port, this.caFile, pauseMs);
  }

  /** Addresses that HAProxy uses now, up or not: neither in maintenance nor draining. */
  async live(): Promise<string[]> {
    const servers = await this.runtime.serversState();
    return servers
      .filter(({ pool, admin }) => pool === "ready" && (admin & ~0x04) === 0)
      .map(formatBackend)
      .sort();
  }

  /** Initial backends, prepare, HAProxy, updater: in a pod's order. */
  async startAll(...names: string[]): Promise<void> {
    await this.startAllUnchecked(...names);
    await this.ready(...names);
  }

  /** The same, where HAProxy's checks fail. */
  async startAllUnchecked(...names: string[]): Promise<void> {
    await this.publish(this.data(...names));
    await this.prepare();
    await this.startHaproxy();
    await this.startUpdater();
  }

  /** Waits until the updater's status has exactly these servers in these states. */
  async states(expected: Record<string, string>): Promise<void> {
    const text = (states: Record<string, string>): string =>
      Object.entries(states)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, state]) => `${name}=${state}`)
        .join(" ");
    await waitFor(text(expected), async () => {
      const { backends } = await this.status();
      const seen = text(Object.fromEntries(backends.map(({ name, state }) => [name, state])));
      if (seen !== text(expected)) throw new Error(seen);
      return true;
    });
  }

  /** Waits until these servers, and no others, are up in the pool `ready`. */
  async ready(...names: string[]): Promise<void> {
    const expected = names
      .map((name) => formatBackend(this.server(name).backend))
      .sort()
      .join(" ");
    await waitFor(`ready: ${names.join(" ")}`, async () => {
      const { servers, stats } = await this.runtime.snapshot();
      const up = stats
        .filter(({ pool, status }) => pool === "ready" && status.startsWith("UP"))
        .map(({ slot }) => servers.find((it) => it.pool === "ready" && it.slot === slot))
        .map((server) => (server === undefined ? "" : formatBackend(server)))
        .sort()
        .join(" ");
      if (up !== expected) throw new Error(up);
      return true;
    });
  }

  /** Waits until HAProxy gives this server no new connections. */
  async isOut(name: string): Promise<void> {
    const address = formatBackend(this.server(name).backend);
    await waitFor(`${name} is out`, async () => {
      const { servers, stats } = await this.runtime.snapshot();
      const up = stats.filter(({ pool, status }) => pool === "ready" && status.startsWith("UP"));
      const here = servers.filter((it) => it.pool === "ready" && formatBackend(it) === address);
      return !here.some(({ slot }) => up.some((stat) => stat.slot === slot));
    });
  }

  log(name: "haproxy" | "updater"): string {
    return this.#processes.log(name);
  }

  /** @param test prints the ends of the logs if it failed */
  async stop(test?: { readonly state?: string }): Promise<void> {
    if (test?.state === "failed") {
      for (const name of ["haproxy", "updater"] as const)
        console.error(this.log(name).slice(-4000));
    }
    await this.controlPlane.killAll();
    await this.#processes.killAll();
    await this.#killWorkers();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A worker ends when its master process is killed, but not while it is stopped. */
  async #killWorkers(): Promise<void> {
    const { pid } = await this.runtime.snapshot().catch(() => ({ pid: undefined }));
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  }

  #updaterArgs(word: "prepare" | "run"): string[] {
    return updaterArguments(
      join(this.folder, "updater.js"),
      word,
      join(this.folder, "settings.json"),
    );
  }

  #env(): NodeJS.ProcessEnv {
    return { PATH: process.env["PATH"], HOST_IP: "127.0.0.1" };
  }
}
