import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fingerprintSpec,
  HAPROXY_DEFAULTS,
  POOLS,
  type HaproxySpec,
} from "../../../haproxy/config";
import type { MasterApi } from "../../../haproxy/master";
import type { Backend } from "../../../haproxy/model";
import type { RuntimeApi, Snapshot } from "../../../haproxy/runtime";
import { Balancer } from "../../../updater/balancer";
import { createLog } from "../../../updater/log";
import { Metrics } from "../../../updater/metrics";
import type { UpdaterSettings } from "../../../updater/settings";
import { REFUSED_PAUSE_MS } from "../../../updater/start-files";

const M1 = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2 = { name: "m2", address: "10.0.0.2", port: 6443 };
const M3 = { name: "m3", address: "10.0.0.3", port: 6443 };
const MAINTENANCE = 1;
const DRAIN = 8;

interface Slot {
  address: string;
  port: number;
  admin: number;
}

/** What the balancer tells HAProxy, and what it sees of it then. */
class FakeHaproxy {
  readonly told: string[] = [];
  readonly #failed = new Set<string>();
  readonly #slots: Slot[];

  description = "";

  constructor() {
    const empty = () => ({ address: "127.0.0.1", port: 9, admin: MAINTENANCE });
    this.#slots = Array.from({ length: 8 }, empty);
  }

  /** A new worker with these settings; gives its pid. */
  load(spec: HaproxySpec): number {
    this.description = `spec-${fingerprintSpec(spec)}`;
    return 1;
  }

  /** This server's checks fail from now on. */
  fail(address: string): void {
    this.#failed.add(address);
  }

  get serving(): string[] {
    return this.#slots.filter(({ admin }) => admin === 0).map(({ address }) => address);
  }

  readonly runtime = {
    snapshot: () => Promise.resolve(this.#snapshot()),
    fill: (slot: number, { address, port }: Backend) =>
      this.#put("fill", slot, { address, port, admin: 0 }),
    reopen: (slot: number) => this.#put("reopen", slot, { admin: 0 }),
    drain: (slot: number) => this.#put("drain", slot, { admin: DRAIN }),
    close: (slot: number) => this.#put("close", slot, { admin: MAINTENANCE }),
    raise: () => Promise.resolve(),
    limitConnections: () => Promise.resolve(),
  } as unknown as RuntimeApi;

  #put(word: string, slot: number, change: object): Promise<void> {
    this.told.push(`${word} s${slot + 1}`);
    Object.assign(this.#slots[slot]!, change);
    return Promise.resolve();
  }

  #snapshot(): Snapshot {
    const each = <T>(make: (slot: Slot) => T) =>
      POOLS.flatMap((pool) => this.#slots.map((it, slot) => ({ pool, slot, ...make(it) })));
    return {
      pid: 1,
      description: this.description,
      maxConnections: 100_000,
      servers: each((it) => ({ ...it, operational: 2 })),
      // a session that never ends: what drains is not closed
      stats: each(({ address }) => ({
        status: this.#failed.has(address) ? "DOWN" : "UP",
        checkStatus: "L7OK",
        checkCode: 200,
        sinceSeconds: 10,
        sessions: 1,
      })),
    };
  }
}

describe("the balancer when files cannot be written", () => {
  let folder: string;
  let refuses: string;
  let nowMs: number;
  let lines: string[];
  let haproxy: FakeHaproxy;
  let balancer: Balancer;
  const metrics = new Metrics();
  const at = (name: string): string => join(folder, name);
  const written = (): string => readFileSync(at("haproxy.cfg"), "utf8");

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "balancer-"));
    refuses = at("refuses");
    nowMs = 0;
    lines = [];
    const spec = {
      listen: ["10.0.0.9"],
      port: 6444,
      healthPort: 6445,
      allow: [],
      caFile: "/ca.crt",
      adminSocket: "/run/admin.sock",
      updaterSocket: "/run/updater.sock",
      stateFile: at("run-state"),
      ...HAPROXY_DEFAULTS,
    };
    const settings = {
      haproxy: spec,
      configFile: at("haproxy.cfg"),
      lastGoodFile: at("last-good.json"),
      drainSeconds: 30,
      checkCommand: ["sh", "-c", `! test -e ${refuses}`],
    } as unknown as UpdaterSettings;
    haproxy = new FakeHaproxy();
    haproxy.load(spec);
    balancer = new Balancer({
      settings,
      runtime: haproxy.runtime,
      master: { reload: () => Promise.resolve(haproxy.load(spec)) } as unknown as MasterApi,
      metrics,
      log: createLog((line) => lines.push(line)),
      onProblem: () => undefined,
      probe: () => Promise.resolve({ ready: true, alive: true }),
      now: () => nowMs,
    });
    assert.ok(await balancer.want([M1, M2], "1"));
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const deny = (): void => writeFileSync(refuses, "");
  const allow = (): void => rmSync(refuses);

  it("takes the change back, opens nothing at the next attempt, and takes it when HAProxy does", async () => {
    deny();
    assert.equal(await balancer.want([M1, M3], "2"), false);
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
    const told = haproxy.told.length;
    assert.equal(await balancer.want([M1, M3], "2"), false);
    assert.deepEqual(haproxy.told.slice(told), []);
    assert.ok(written().includes(M2.address) && !written().includes(M3.address));
    allow();
    assert.ok(await balancer.want([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(written().includes(M3.address) && !written().includes(M2.address));
  });

  it("replaces a master at run time when it is other settings that HAProxy refuses, and writes the file later", async () => {
    haproxy.description = "spec-of-before";
    deny();
    assert.ok(await balancer.want([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(!written().includes(M3.address));
    allow();
    nowMs += REFUSED_PAUSE_MS;
    await balancer.tick();
    await balancer.tick();
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(written().includes(M3.address));
  });

  it("goes on looking after HAProxy when its server-state file cannot be written, and says that once", async () => {
    rmSync(at("run-state"));
    mkdirSync(at("run-state"));
    haproxy.fail(M2.address);
    await balancer.tick();
    await balancer.tick();
    assert.deepEqual(
      balancer.states().map(({ name, state }) => `${name} ${state}`),
      ["m1 ready", "m2 down"],
    );
    assert.equal(lines.filter((line) => line.includes("ServerStateNotWritten")).length, 1);
    assert.ok(!lines.join("").includes("HAProxy does not answer"));
  });
});
