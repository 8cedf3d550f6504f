import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { POOLS, renderHaproxyConfig, type HaproxySpec } from "../../../haproxy/config";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import type { MasterApi } from "../../../haproxy/master";
import type { Backend } from "../../../haproxy/model";
import type { RuntimeApi, Snapshot } from "../../../haproxy/runtime";
import { HaproxyController } from "../../../updater/apply/haproxy-controller";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Reporter } from "../../../updater/report/reporter";
import type { UpdaterSettings } from "../../../updater/settings";
import { REFUSED_PAUSE_MS } from "../../../updater/apply/config-files";
import { readLastGood } from "../../../updater/apply/last-good";
import { exampleSettings } from "./example-settings";

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

/** Records the controller's changes, and shows their result. */
class FakeHaproxy {
  readonly commands: string[] = [];
  /** It does not start with the file. */
  refusesReload = false;
  /** It does not answer. */
  isAway = false;
  /** It refuses to put a backend into a slot. */
  refusesFill = false;
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

  /** They pass again. */
  recover(address: string): void {
    this.#failed.delete(address);
  }

  get serving(): string[] {
    return this.#slots.filter(({ admin }) => admin === 0).map(({ address }) => address);
  }

  readonly runtime = {
    snapshot: () =>
      this.isAway ? Promise.reject(new Error("away")) : Promise.resolve(this.#snapshot()),
    fill: (slot: number, { address, port }: Backend) =>
      this.refusesFill
        ? Promise.reject(new Error('HAProxy refused "set server ready/s3 addr": no'))
        : this.#put("fill", slot, { address, port, admin: 0 }),
    reopen: (slot: number) => this.#put("reopen", slot, { admin: 0 }),
    drain: (slot: number) => this.#put("drain", slot, { admin: DRAIN }),
    close: (slot: number) => this.#put("close", slot, { admin: MAINTENANCE }),
    markUp: () => Promise.resolve(),
    limitConnections: () => Promise.resolve(),
  } as unknown as RuntimeApi;

  #put(word: string, slot: number, change: object): Promise<void> {
    this.commands.push(`${word} s${slot + 1}`);
    Object.assign(this.#slots[slot]!, change);
    return Promise.resolve();
  }

  #status(address: string, admin: number): string {
    if (admin === DRAIN) return "DRAIN";
    if (admin === MAINTENANCE) return "MAINT";
    return this.#failed.has(address) ? "DOWN" : "UP";
  }

  #snapshot(): Snapshot {
    const each = <T>(make: (slot: Slot) => T) =>
      POOLS.flatMap((pool) => this.#slots.map((it, slot) => ({ pool, slot, ...make(it) })));
    return {
      pid: 1,
      description: this.description,
      maxConnections: 100_000,
      servers: each((it) => ({ ...it, operational: 2 })),
      // A session that never ends: a draining slot stays open.
      stats: each(({ address, admin }) => ({
        status: this.#status(address, admin),
        checkStatus: "L7OK",
        checkCode: 200,
        sinceSeconds: 10,
        sessions: 1,
      })),
    };
  }
}

describe("HaproxyController", () => {
  let folder: string;
  let nowMs: number;
  let lines: string[] = [];
  let haproxy: FakeHaproxy;
  let controller: HaproxyController;
  let report: Reporter;
  let settings: UpdaterSettings;
  const at = (name: string): string => join(folder, name);
  const written = (): string => readFileSync(at("haproxy.cfg"), "utf8");
  const slotsInFile = () => readLastGood(at("last-good.json"))?.slots ?? [];
  const hasBackend = ({ address }: Backend): boolean => written().includes(` ${address}:6443 `);

  /** The servers of the server-state file, or of a copy of it. */
  const inState = (name = "state"): string[] =>
    [...readFileSync(at(name), "utf8").matchAll(/ ready \d+ (s\d+) (\S+) (\d)/g)].map(
      ([, slot, address, state]) => `${slot} ${address} ${state === "2" ? "up" : "down"}`,
    );

  /** Starts a new controller; HAProxy's check refuses files that match a line of `refused`. */
  const start = (changes: Partial<HaproxySpec> = {}): void => {
    const example = exampleSettings(folder);
    settings = {
      ...example,
      haproxy: { ...example.haproxy, ...changes },
      checkCommand: [
        "sh",
        "-c",
        `cp ${at("state")} ${at("state-then")} || :; ! grep -f ${at("refused")} "$0"`,
      ],
    };
    const reload = () => {
      if (haproxy.refusesReload) return Promise.reject(new Error("no new worker"));
      haproxy.load(written());
      return Promise.resolve(1);
    };
    const log = createLog((line) => lines.push(line));
    const metrics = new Metrics();
    report = new Reporter({ log, metrics });
    controller = new HaproxyController(
      { settings, log, metrics, report, now: () => nowMs },
      {
        runtime: haproxy.runtime,
        master: { reload } as unknown as MasterApi,
        probe: () => Promise.resolve({ ready: true, alive: true, reachable: true }),
      },
    );
  };
  const refuse = (line: string): void => writeFileSync(at("refused"), line);
  const allow = (): void => refuse("");

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "controller-"));
    nowMs = 0;
    haproxy = new FakeHaproxy();
    allow();
    start();
    haproxy.isAway = true;
    assert.ok(await controller.apply([M1, M2], "1"));
    haproxy.load(written());
    haproxy.isAway = false;
    lines = [];
    await controller.tick();
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("takes back a change whose file HAProxy refuses", async () => {
    refuse(M3.address);
    assert.equal(await controller.apply([M1, M3], "2"), false);
    assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
    const before = haproxy.commands.length;
    assert.equal(await controller.apply([M1, M3], "2"), false);
    assert.deepEqual(haproxy.commands.slice(before), []);
    assert.ok(hasBackend(M2) && !hasBackend(M3));
    allow();
    assert.ok(await controller.apply([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(hasBackend(M3) && !hasBackend(M2));
  });

  it("is at the former backends after a change that failed, and can repeat it", async () => {
    const broken = new Error("out of handles");
    const { checkCommand } = settings;
    Object.defineProperty(settings, "checkCommand", {
      configurable: true,
      get: () => {
        throw broken;
      },
    });
    await assert.rejects(controller.apply([M1, M3], "2"), broken);
    assert.deepEqual(
      controller.backends().map(({ name }) => name),
      ["m1", "m2"],
    );
    Object.defineProperty(settings, "checkCommand", { value: checkCommand });
    assert.ok(await controller.apply([M1, M3], "2"));
    assert.ok(hasBackend(M3));
  });

  it("ends the problem of a refused change when the backends are the former ones again", async () => {
    refuse(M3.address);
    assert.equal(await controller.apply([M1, M3], "2"), false);
    assert.match(report.list().join(), /^ConfigurationNotWritten/);
    assert.ok(await controller.apply([M1, M2], "3"));
    assert.deepEqual(report.list(), []);
  });

  it("ends the problems of a failed reload when a restarted HAProxy has the settings", async () => {
    haproxy.refusesReload = true;
    start({ maxConnections: 500 });
    await controller.tick();
    assert.match(report.list().join(), /^ReloadFailed/);
    refuse("maxconn 500");
    nowMs += REFUSED_PAUSE_MS;
    await controller.tick();
    assert.match(report.list().join(), /ConfigurationNotWritten/);
    // as `prepare` does at a start of HAProxy
    const { haproxy: spec } = exampleSettings(folder);
    writeFileSync(
      at("haproxy.cfg"),
      renderHaproxyConfig({ ...spec, maxConnections: 500 }, slotsInFile()),
    );
    haproxy.load(written());
    await controller.tick();
    assert.deepEqual(report.list(), []);
  });

  it("reports a command that HAProxy keeps refusing, and logs that once", async () => {
    haproxy.refusesFill = true;
    assert.ok(await controller.apply([M1, M2, M3], "2"));
    for (let second = 0; second < 5; second++) {
      nowMs += 1000;
      await controller.tick();
    }
    assert.match(report.list().join(), /^HaproxyUnreachable: .*refused "set server/);
    assert.equal(lines.filter((line) => line.includes("HAProxy does not answer")).length, 1);
    haproxy.refusesFill = false;
    await controller.tick();
    assert.deepEqual(report.list(), []);
    assert.equal(haproxy.serving.length, 3);
  });

  it("replaces a backend at run time while HAProxy refuses the file for its other settings", async () => {
    haproxy.description = "spec-of-before";
    refuse("description");
    assert.ok(await controller.apply([M1, M3], "2"));
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(!hasBackend(M3));
    allow();
    nowMs += REFUSED_PAUSE_MS;
    await controller.tick();
    await controller.tick();
    assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
    assert.ok(hasBackend(M3));
  });

  it("writes the health of the servers that haproxy.cfg has, also while the file is out of date", async () => {
    await controller.tick();
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s2 10.0.0.2 up"]);
    haproxy.description = "spec-of-before";
    refuse("description");
    assert.ok(await controller.apply([M1, M3], "2"));
    // It drains: a HAProxy that starts now must check it first.
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s2 10.0.0.2 down"]);
    allow();
    nowMs += REFUSED_PAUSE_MS;
    await controller.tick();
    assert.deepEqual(inState("state-then"), ["s1 10.0.0.1 up", "s2 10.0.0.2 down"]);
    assert.deepEqual(inState(), ["s1 10.0.0.1 up", "s3 10.0.0.3 up"]);
  });

  describe("leaves a haproxy.cfg that HAProxy starts with", () => {
    const OTHER = { timeouts: { ...HAPROXY_DEFAULTS.timeouts, connectMs: 900 } };
    const hasOther = (): boolean => written().includes("timeout connect 900ms");
    const slots = (): number => written().match(/^ {2}server s\d+ /gm)?.length ?? 0;
    const many = Array.from({ length: 10 }, (_, i) => ({
      name: `x${i}`,
      address: `10.0.1.${i}`,
      port: 6443,
    }));

    it("after a failed reload to other settings: the old settings with the newest backends", async () => {
      const former = written();
      haproxy.refusesReload = true;
      start(OTHER);
      await controller.tick();
      assert.equal(written(), former);
      assert.ok(await controller.apply([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.match(report.list().join(), /^ReloadFailed/);
      haproxy.refusesReload = false;
      nowMs += REFUSED_PAUSE_MS;
      await controller.tick();
      assert.ok(hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.deepEqual(report.list(), []);
    });

    it("after two failed reloads between which the old settings could not be written", async () => {
      const former = written();
      haproxy.refusesReload = true;
      refuse("timeout connect 700ms");
      start(OTHER);
      await controller.tick();
      allow();
      nowMs += REFUSED_PAUSE_MS;
      await controller.tick();
      assert.equal(written(), former);
    });

    it("while its check refuses other settings: the old settings with the newest backends", async () => {
      refuse("900ms");
      start(OTHER);
      assert.ok(await controller.apply([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3) && !hasBackend(M2));
      assert.match(report.list().join(), /^ConfigurationNotWritten/);
      allow();
      nowMs += REFUSED_PAUSE_MS;
      await controller.tick();
      assert.ok(hasOther() && hasBackend(M3));
      assert.deepEqual(report.list(), []);
    });

    it("while it does not answer: other settings are not proved yet", async () => {
      start(OTHER);
      haproxy.isAway = true;
      assert.ok(await controller.apply([M1, M3], "2"));
      assert.ok(!hasOther() && hasBackend(M3));
      haproxy.isAway = false;
      await controller.tick();
      assert.ok(hasOther() && hasBackend(M3));
    });

    it("after a failed reload to more slots: as many slots as it runs, with the newest backends", async () => {
      haproxy.refusesReload = true;
      assert.ok(await controller.apply([M1, ...many], "2"));
      assert.equal(slots(), 3 * 8);
      assert.equal(haproxy.serving.length, 8);
      assert.ok(await controller.apply([M1, M3, ...many.slice(1)], "3"));
      assert.equal(slots(), 3 * 8);
      assert.deepEqual(
        haproxy.serving.filter((address) => !written().includes(` ${address}:`)),
        [],
      );
      haproxy.refusesReload = false;
      nowMs += REFUSED_PAUSE_MS;
      await controller.tick();
      assert.equal(slots(), 3 * 22);
      assert.equal(haproxy.serving.length, 11);
    });
  });

  describe("while no desired backend answers", () => {
    beforeEach(() => haproxy.fail(M3.address));

    it("lets the former ones serve on, in HAProxy's files too, and reports that", async () => {
      assert.ok(await controller.apply([M3], "2"));
      assert.deepEqual(haproxy.serving.sort(), [M1.address, M2.address, M3.address]);
      assert.ok(hasBackend(M1) && hasBackend(M2) && hasBackend(M3));
      assert.deepEqual(report.list(), [], "a change takes a moment");
      nowMs += 3000;
      await controller.tick();
      assert.deepEqual(report.list(), [
        "NoBackendAnswers: none of the desired backends answers HAProxy's checks: m3 (10.0.0.3:6443); " +
          "the former ones serve on until one does: m1 (10.0.0.1:6443), m2 (10.0.0.2:6443)",
      ]);
      assert.deepEqual(
        controller.states().map(({ name, state }) => `${name} ${state}`),
        ["m1 leaving", "m2 leaving", "m3 down"],
      );
    });

    it("drains them, for good, from the moment when one answers", async () => {
      assert.ok(await controller.apply([M3], "2"));
      nowMs += 3_600_000;
      haproxy.recover(M3.address);
      await controller.tick();
      assert.deepEqual(haproxy.serving, [M3.address]);
      assert.ok(!hasBackend(M1) && !hasBackend(M2) && hasBackend(M3));
      assert.deepEqual(report.list(), []);
      haproxy.fail(M3.address);
      nowMs += 1000 * settings.drainSeconds - 1;
      await controller.tick();
      assert.deepEqual(haproxy.serving, [M3.address]);
      assert.ok(!haproxy.commands.some((command) => command.startsWith("close")));
      haproxy.recover(M3.address);
      nowMs += 1;
      await controller.tick();
      assert.ok(haproxy.commands.includes("close s1"));
    });

    it("keeps them through a restart of the updater, of HAProxy, and of both", async () => {
      assert.ok(await controller.apply([M3], "2"));
      start();
      await controller.tick();
      assert.equal(haproxy.serving.length, 3);
      haproxy.load(written());
      await controller.tick();
      assert.equal(haproxy.serving.length, 3);
      haproxy.load(written());
      start();
      await controller.tick();
      assert.equal(haproxy.serving.length, 3);
      haproxy.recover(M3.address);
      await controller.tick();
      assert.deepEqual(haproxy.serving, [M3.address]);
    });

    it("keeps them through further sets of which none answers, and none of those", async () => {
      const wrong = [4, 5, 6].map((n) => ({ name: "m3", address: `10.0.0.${n}`, port: 6443 }));
      for (const [i, backend] of wrong.entries()) {
        haproxy.fail(backend.address);
        assert.ok(await controller.apply([backend], `${i}`));
      }
      assert.deepEqual(haproxy.serving.sort(), [M1.address, M2.address, "10.0.0.6"]);
    });

    it("takes one back that is desired again, and drains the other", async () => {
      assert.ok(await controller.apply([M3], "2"));
      assert.ok(await controller.apply([M1, M3], "3"));
      assert.deepEqual(haproxy.serving.sort(), [M1.address, M3.address]);
      assert.ok(!haproxy.commands.includes("drain s1"));
    });

    it("takes back a change that HAProxy refuses, and nobody leaves", async () => {
      refuse(M3.address);
      assert.equal(await controller.apply([M3], "2"), false);
      assert.deepEqual(haproxy.serving, [M1.address, M2.address]);
      assert.deepEqual(
        controller.states().flatMap(({ name, state }) => (state === "ready" ? [name] : [])),
        ["m1", "m2"],
      );
    });
  });

  it("reloads for other certificates in the CA file, and not while the file is away", async () => {
    const before = haproxy.description;
    writeFileSync(at("ca.crt"), "one");
    await controller.tick();
    assert.match(haproxy.description, new RegExp(`^${before}-ca-`));
    const one = haproxy.description;
    rmSync(at("ca.crt"));
    await controller.tick();
    assert.equal(haproxy.description, one);
    writeFileSync(at("ca.crt"), "one and another");
    await controller.tick();
    assert.notEqual(haproxy.description, one);
    assert.match(lines.join(""), /"reason":"the CA certificates changed"/);
  });

  it("reports that no server passes a check, by the results that it saw first", async () => {
    for (const { address } of [M1, M2]) haproxy.fail(address);
    await controller.tick();
    assert.deepEqual(report.list(), []);
    nowMs += 3000;
    await controller.tick();
    assert.match(report.list().join(), /^NoCheckPasses: .*\(L7OK\): none accepts connections/);
    haproxy.recover(M1.address);
    await controller.tick();
    assert.deepEqual(report.list(), []);
  });

  it("works on when the server-state file cannot be written, and logs that once", async () => {
    rmSync(at("state"));
    mkdirSync(at("state"));
    haproxy.fail(M2.address);
    await controller.tick();
    await controller.tick();
    assert.deepEqual(
      controller.states().map(({ name, state }) => `${name} ${state}`),
      ["m1 ready", "m2 down"],
    );
    assert.equal(lines.filter((line) => line.includes("ServerStateNotWritten")).length, 1);
    assert.ok(!lines.join("").includes("HAProxy does not answer"));
  });
});
