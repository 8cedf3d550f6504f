import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { POOLS, type HaproxySpec } from "../../../haproxy/config";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import type { MasterApi } from "../../../haproxy/master";
import type { Backend } from "../../../haproxy/model";
import type { RuntimeApi, Snapshot } from "../../../haproxy/runtime";
import { Balancer } from "../../../updater/apply/balancer";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import type { UpdaterSettings } from "../../../updater/settings";
import { REFUSED_PAUSE_MS } from "../../../updater/apply/config-files";

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
  /** It starts no worker with the file. */
  refusesReload = false;
  /** It does not answer. */
  isAway = false;
  description = "";
  readonly #failed = new Set<string>();
  #slots: Slot[] = [];

  /** A new worker with this haproxy.cfg. */
  load(config: string): void {
    this.description = /^ {2}description (.*)$/m.exec(config)?.[1] ?? "";
    const [pool = ""] = /^backend ready\n[^]*?\n\n/m.exec(config) ?? [];
    this.#slots = [...pool.matchAll(/^ {2}server s\d+ (.*):(\d+) (disabled)?/gm)].map(
      ([, address = "", port, disabled]) => ({
        address,
        port: Number(port),
        admin: disabled === undefined ? 0 : MAINTENANCE,
      }),
    );
  }

  /** This server's checks fail from now on. */
  fail(address: string): void {
    this.#failed.add(address);
  }

  get serving(): string[] {
    return this.#slots.filter(({ admin }) => admin === 0).map(({ address }) => address);
  }

  readonly runtime = {
    snapshot: () =>
      this.isAway ? Promise.reject(new Error("away")) : Promise.resolve(this.#snapshot()),
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
      stats: each(({ address, admin }) => ({
        status: admin === DRAIN ? "DRAIN" : this.#failed.has(address) ? "DOWN" : "UP",
        checkStatus: "L7OK",
        checkCode: 200,
        sinceSeconds: 10,
        sessions: 1,
      })),
    };
  }
}

describe("the balancer", () => {
  let folder: string;
  let nowMs: number;
  let lines: string[] = [];
  let haproxy: FakeHaproxy;
  let balancer: Balancer;
  const at = (name: string): string => join(folder, name);
  const written = (): string => readFileSync(at("haproxy.cfg"), "utf8");
  const hasBackend = ({ address }: Backend): boolean => written().includes(` ${address}:6443 `);

  /** The servers of the server-state file, or of a copy of it. */
  const inState = (name = "run-state"): string[] =>
    [...readFileSync(at(name), "utf8").matchAll(/ ready \d+ (s\d+) (\S+) (\d)/g)].map(
      ([, slot, address, state]) => `${slot} ${address} ${state === "2" ? "up" : "down"}`,
    );

  /** A new updater; its HAProxy refuses files in which a line of `refused` stands. */
  const start = (changes: Partial<HaproxySpec> = {}): void => {
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
      ...changes,
    };
    const settings = {
      haproxy: spec,
      configFile: at("haproxy.cfg"),
      lastGoodFile: at("last-good.json"),
      drainSeconds: 30,
      checkCommand: [
        "sh",
        "-c",
        `cp ${at("run-state")} ${at("state-then")} || :; ! grep -f ${at("refused")} "$0"`,
      ],
    } as unknown as UpdaterSettings;
    const reload = () => {
      if (haproxy.refusesReload) return Promise.reject(new Error("no new worker"));
      haproxy.load(written());
      return Promise.resolve(1);
    };
    balancer = new Balancer({
      settings,
      runtime: haproxy.runtime,
      master: { reload } as unknown as MasterApi,
      metrics: new Metrics(),
      log: createLog((line) => lines.push(line)),
      onProblem: () => undefined,
      probe: () => Promise.resolve({ ready: true, alive: true }),
      now: () => nowMs,
    });
  };
  const refuse = (line: string): void => writeFileSync(at("refused"), line);
  const allow = (): void => refuse("");

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "balancer-"));
    nowMs = 0;
    haproxy = new FakeHaproxy();
    allow();
    start();
    haproxy.isAway = true;
    assert.ok(await balancer.want([M1, M2], "1"));
    haproxy.load(written());
    haproxy.isAway = false;
    lines = [];
    await balancer.tick();
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("takes a change back whose file is refused, opens nothing at the next attempt, and takes it when HAProxy does", async () => {
    refuse(M3.address);
    assert.equal(await balancer.want([M1, M3], "2"), false);
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
    const told = haproxy.told.length;
    assert.equal(await balancer.want([M1, M3], "2"), false);
    assert.deepEqual(haproxy.told.slice(told), []);
    assert.ok(hasBackend(M2) && !hasBackend(M3));
    allow();
    assert.ok(await balancer.want([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(hasBackend(M3) && !hasBackend(M2));
  });

  it("replaces a control-plane node at run time when it is other settings that HAProxy refuses, and writes the file later", async () => {
    haproxy.description = "spec-of-before";
    refuse("description");
    assert.ok(await balancer.want([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(!hasBackend(M3));
    allow();
    nowMs += REFUSED_PAUSE_MS;
    await balancer.tick();
    await balancer.tick();
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(hasBackend(M3));
  });

  it("says in the server-state file how the servers of haproxy.cfg are, also while that is behind", async () => {
    await balancer.tick();
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s2 10.0.0.2 up"]);
    haproxy.description = "spec-of-before";
    refuse("description");
    assert.ok(await balancer.want([M1, M3], "2"));
    // It drains: a HAProxy that starts now sends it nothing before a check.
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s2 10.0.0.2 down"]);
    allow();
    nowMs += REFUSED_PAUSE_MS;
    await balancer.tick();
    assert.deepEqual(inState("state-then"), ["s1 10.0.0.1 up", "s2 10.0.0.2 down"]);
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s3 10.0.0.3 up"]);
  });

  describe("leaves a file that HAProxy starts with", () => {
    const OTHER = { timeouts: { ...HAPROXY_DEFAULTS.timeouts, connectMs: 900 } };
    const hasOther = (): boolean => written().includes("timeout connect 900ms");
    const slots = (): number => written().match(/^ {2}server s\d+ /gm)?.length ?? 0;
    const many = Array.from({ length: 10 }, (_, i) => ({
      name: `x${i}`,
      address: `10.0.1.${i}`,
      port: 6443,
    }));

    it("after a reload to other settings that failed: those that it runs, with the newest backends", async () => {
      const former = written();
      haproxy.refusesReload = true;
      start(OTHER);
      await balancer.tick();
      assert.equal(written(), former);
      assert.ok(await balancer.want([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.match(balancer.problems().join(), /^ReloadFailed/);
      haproxy.refusesReload = false;
      nowMs += REFUSED_PAUSE_MS;
      await balancer.tick();
      assert.ok(hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.deepEqual(balancer.problems(), []);
    });

    it("after a reload that failed twice, when the former settings could not be written again in between", async () => {
      const former = written();
      haproxy.refusesReload = true;
      refuse("timeout connect 700ms");
      start(OTHER);
      await balancer.tick();
      allow();
      nowMs += REFUSED_PAUSE_MS;
      await balancer.tick();
      assert.equal(written(), former);
    });

    it("when its check refuses other settings, which stays a problem", async () => {
      refuse("900ms");
      start(OTHER);
      assert.ok(await balancer.want([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.match(balancer.problems().join(), /^ConfigurationNotWritten/);
      allow();
      nowMs += REFUSED_PAUSE_MS;
      await balancer.tick();
      assert.ok(hasOther() && hasBackend(M3));
      assert.deepEqual(balancer.problems(), []);
    });

    it("while it does not answer: whether it takes other settings is not known yet", async () => {
      start(OTHER);
      haproxy.isAway = true;
      assert.ok(await balancer.want([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3));
      haproxy.isAway = false;
      await balancer.tick();
      assert.ok(hasOther() && hasBackend(M3));
    });

    it("after a reload to more slots that failed: as many as it has, with the newest backends", async () => {
      haproxy.refusesReload = true;
      assert.ok(await balancer.want([M1, ...many], "2"));
      assert.equal(slots(), 2 * 8);
      assert.equal(haproxy.serving.length, 8);
      assert.ok(await balancer.want([M1, M3, ...many.slice(1)], "3"));
      assert.equal(slots(), 2 * 8);
      assert.deepEqual(
        haproxy.serving.filter((address) => !written().includes(` ${address}:`)),
        [],
      );
      haproxy.refusesReload = false;
      nowMs += REFUSED_PAUSE_MS;
      await balancer.tick();
      assert.equal(slots(), 2 * 22);
      assert.equal(haproxy.serving.length, 11);
    });
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
