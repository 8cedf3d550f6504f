/** A folder with HAProxy, the updater and API servers of one test; `stop` ends and removes it all. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderHaproxyConfig } from "../../../haproxy/config";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
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
import { ApiServer, type Orders } from "./api-server";
import { makeCertificates, type Certificates } from "./certificates";
import { Watch, whoAnswers } from "./client";
import { Load } from "./load";
import type { Machine } from "./machines";
import { freePort, ownAddress } from "./network";
import { waitFor } from "./wait";

/** The HAProxy versions that this machine has. */
export const BINARIES = haproxyBinaries();
export type Binary = (typeof BINARIES)[number];

export const TOKEN = "test-token";

export class Bench {
  readonly folder: string;
  readonly certificates: Certificates;
  readonly settings: UpdaterSettings;
  readonly runtime: RuntimeApi;
  readonly controlPlaneNode: MasterApi;
  readonly servers = new Map<string, ApiServer>();
  readonly #binary: Binary;
  readonly #processes = new Set<ChildProcess>();
  #haproxy: ChildProcess | undefined;
  #updater: ChildProcess | undefined;
  #revision = 1;
  #data: Record<string, string> | null = null;
  #slice: readonly string[] | null = null;

  private constructor(folder: string, binary: Binary, settings: UpdaterSettings) {
    this.folder = folder;
    this.#binary = binary;
    this.certificates = makeCertificates(folder);
    this.settings = settings;
    this.runtime = new RuntimeApi(settings.haproxy.adminSocket, { timeoutMs: 20_000 });
    this.controlPlaneNode = new MasterApi(settings.masterSocket, { deadlineMs: 40_000 });
  }

  static async create(
    binary: Binary,
    changes: Partial<UpdaterSettings["haproxy"]> = {},
  ): Promise<Bench> {
    const folder = mkdtempSync(join(tmpdir(), "control-plane-lb-haproxy-"));
    const at = (name: string): string => join(folder, name);
    const haproxy: UpdaterSettings["haproxy"] = {
      listen: ["${HOST_IP}"],
      port: await freePort(),
      healthPort: await freePort(),
      allow: [],
      caFile: at("ca.crt"),
      adminSocket: at("admin.sock"),
      updaterSocket: at("updater.sock"),
      stateFile: at("state"),
      ...HAPROXY_DEFAULTS,
      maxConnections: 500,
      ...changes,
    };
    const settings: UpdaterSettings = {
      namespace: "kube-system",
      configMap: "haproxy-backends",
      discovery: "configMap",
      haproxy,
      configFile: at("haproxy.cfg"),
      masterSocket: at("master.sock"),
      lastGoodFile: at("last-good.json"),
      seedDir: at("seed"),
      tokenFile: at("token"),
      apiCaFile: at("ca.crt"),
      apiPort: 1,
      apiServerName: "kubernetes",
      localAddress: ownAddress(),
      drainSeconds: 1,
      retainSeconds: 3600,
      prepareWaitSeconds: 30,
    };
    const bench = new Bench(folder, binary, settings);
    writeFileSync(at("token"), TOKEN);
    writeFileSync(at("updater.js"), bundleUpdater());
    bench.writeSettings();
    return bench;
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

  async addServer(
    name: string,
    orders: Orders = {},
    port?: number,
    machine?: Machine,
  ): Promise<ApiServer> {
    const now: Orders = {
      revision: this.#revision,
      data: this.#data,
      slice: this.#slice,
      ...orders,
    };
    const server = await ApiServer.start(name, this.certificates, {
      token: TOKEN,
      orders: now,
      ...(port === undefined ? {} : { port }),
      ...(machine === undefined ? {} : { machine }),
    });
    this.servers.set(name, server);
    return server;
  }

  server(name: string): ApiServer {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`no server ${name}`);
    return server;
  }

  /** The data that the ConfigMap has when these servers are its backends. */
  data(...names: string[]): Record<string, string> {
    return Object.fromEntries(names.map((name) => [name, this.server(name).address]));
  }

  /** Changes the ConfigMap on all API servers. */
  async setConfigMap(data: Record<string, string> | null): Promise<void> {
    this.#data = data;
    this.#revision += 1;
    for (const server of this.servers.values()) {
      await server.order({ data, revision: this.#revision });
    }
  }

  /** Changes the EndpointSlice on all API servers; null: there is none. */
  async setSlice(addresses: readonly string[] | null): Promise<void> {
    this.#slice = addresses;
    this.#revision += 1;
    for (const server of this.servers.values()) {
      await server.order({ slice: addresses, revision: this.#revision });
    }
  }

  /** The ConfigMap as a mounted volume. */
  writeSeed(data: Record<string, string>): void {
    mkdirSync(this.settings.seedDir, { recursive: true });
    for (const [key, value] of Object.entries(data)) {
      writeFileSync(join(this.settings.seedDir, key), value);
    }
  }

  /** The ConfigMap on all API servers, and as a mounted volume. */
  async publish(data: Record<string, string>): Promise<void> {
    await this.setConfigMap(data);
    this.writeSeed(data);
  }

  /** A configuration without the updater. */
  writeConfig(backends: readonly Backend[], health: Health): void {
    const slots = firstSlots(backends);
    writeFileSync(this.settings.haproxy.stateFile, renderServerState(slots, health));
    writeFileSync(this.settings.configFile, renderHaproxyConfig(this.settings.haproxy, slots));
  }

  /** `haproxy -c`: exit code and what it said. */
  checkConfig(env: NodeJS.ProcessEnv = {}): { code: number | null; said: string } {
    const [program = "", ...args] = this.#binary.command;
    const run = spawnSync(program, [...args, "-c", "-f", this.settings.configFile], {
      encoding: "utf8",
      env: { ...this.#env(), ...env },
    });
    return { code: run.status, said: `${run.stdout}${run.stderr}` };
  }

  /** @param openFiles limit of open files, hard and soft. */
  async startHaproxy(openFiles?: number): Promise<void> {
    const { masterSocket, configFile } = this.settings;
    const limit = openFiles === undefined ? [] : ["prlimit", `--nofile=${openFiles}:${openFiles}`];
    const [program = "", ...args] = [...limit, ...this.#binary.command];
    this.#haproxy = this.#spawn("haproxy", program, [
      ...args,
      ...["-W", "-db", "-S", masterSocket, "-f", configFile],
    ]);
    await waitFor("HAProxy answers", () => this.runtime.snapshot());
  }

  async killHaproxy(): Promise<void> {
    const pids = await this.controlPlaneNode.workers();
    await end(this.#haproxy, "SIGKILL");
    // The worker follows its control-plane node; nothing may hold the port when the next one starts.
    for (const pid of pids) await waitFor(`worker ${pid} is gone`, () => !isRunning(pid));
  }

  async prepare(): Promise<void> {
    const run = this.#spawn("updater", process.execPath, this.#updaterArgs("prepare"));
    const code = await new Promise((resolve) => run.once("exit", resolve));
    if (code !== 0) throw new Error(`prepare ended with ${String(code)}: ${this.log("updater")}`);
  }

  /** @param nodeArguments options of node. @param env of the updater alone. */
  async startUpdater(
    nodeArguments: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    const args = [...nodeArguments, ...this.#updaterArgs("run")];
    this.#updater = this.#spawn("updater", process.execPath, args, env);
    await waitFor("the updater is in touch", async () => {
      const { lastSyncSeconds } = await this.status();
      return lastSyncSeconds !== null;
    });
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

  /** A number of the updater's metrics. */
  async metric(name: string): Promise<number> {
    const { body } = await this.health("/updater/metrics");
    const line = body.split("\n").find((it) => it.startsWith(`control_plane_lb_updater_${name} `));
    if (line === undefined) throw new Error(`no metric ${name}`);
    return Number(line.split(" ")[1]);
  }

  /** The Events that the updater has written to any API server, as JSON. */
  async events(): Promise<string> {
    const reports = await Promise.all([...this.servers.values()].map((server) => server.report()));
    return JSON.stringify(reports.flatMap(({ events }) => events));
  }

  /** Which API server answers a new connection to the endpoint; rejects when none does. */
  ask(timeoutMs?: number): Promise<string> {
    return whoAnswers(this.port, this.caFile, timeoutMs);
  }

  /** An open watch through the endpoint. @param server where it shall end */
  watch(server?: string): Promise<Watch> {
    return server === undefined
      ? Watch.open(this.port, this.caFile)
      : Watch.openOn(server, this.port, this.caFile);
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

  /** Seed, prepare, HAProxy, updater: as a pod starts. */
  async startAll(...names: string[]): Promise<void> {
    await this.publish(this.data(...names));
    await this.prepare();
    await this.startHaproxy();
    await this.startUpdater();
    await this.ready(...names);
  }

  /** Waits until exactly these servers have these states, as the updater's status says. */
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

  log(name: "haproxy" | "updater"): string {
    const file = join(this.folder, `${name}.log`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** @param test its end; one that failed is told with the ends of the logs */
  async stop(test?: { readonly state?: string }): Promise<void> {
    if (test?.state === "failed") {
      for (const name of ["haproxy", "updater"] as const)
        console.error(this.log(name).slice(-4000));
    }
    for (const server of this.servers.values()) await server.kill();
    for (const child of this.#processes) await end(child, "SIGKILL");
    await this.#killWorkers();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Workers whose control-plane node was killed end by themselves; a stopped one does not. */
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

  #spawn(
    name: string,
    program: string,
    args: readonly string[],
    more: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const env = { ...this.#env(), ...more };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: "a" });
    log.on("error", () => undefined);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#processes.add(child);
    return child;
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
