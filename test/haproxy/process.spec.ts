import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARIES, Rig } from "./support/rig";
import { sleep, waitFor } from "./support/wait";

const newest = BINARIES.at(-1)!;

describe("the updater's process", function () {
  this.timeout(180_000);
  let rig: Rig;

  beforeEach(async () => {
    rig = await Rig.create(newest);
    for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
  });
  afterEach(async function () {
    await rig.stop(this.currentTest);
  });

  const live = async (...names: string[]): Promise<void> => {
    const desired = names.map((name) => rig.server(name).address).sort();
    await waitFor(`live: ${names.join(" ")}`, async () => {
      assert.deepEqual(await rig.live(), desired);
      return true;
    });
  };
  /** Alternates between two sets, neither of them the first one. */
  const names = (i: number): string[] => (i % 2 === 0 ? ["m1", "m2"] : ["m1", "m3"]);

  it("merges 100 changes into a few applies, the last one among them", async () => {
    await rig.startAll("m1", "m2", "m3");
    const before = await rig.metric("applies_total");
    const began = performance.now();
    for (let i = 0; i < 100; i++) {
      await rig.setConfigMap(rig.data(...names(i)));
      await sleep(7);
    }
    const took = performance.now() - began;
    await rig.setConfigMap(rig.data("m2", "m3"));
    await live("m2", "m3");
    const applies = (await rig.metric("applies_total")) - before;
    console.log(`      ${applies} applies of 101 changes in ${Math.round(took)} ms`);
    // One at once, then one per 200 ms.
    assert.ok(applies <= 3 + took / 200, `${applies} in ${took} ms`);
  });

  it("applies changes while further ones never pause", async () => {
    await rig.startAll("m1", "m2", "m3");
    const before = await rig.metric("applies_total");
    let changing = true;
    const changes = (async () => {
      for (let i = 0; changing; i++) {
        await rig.setConfigMap(rig.data(...names(i)));
        await sleep(10);
      }
    })();
    await waitFor("five applies", async () => (await rig.metric("applies_total")) >= before + 5);
    changing = false;
    await changes;
  });

  it("catches up after it was suspended during changes", async () => {
    await rig.startAll("m1", "m2", "m3");
    process.kill(rig.updaterPid, "SIGSTOP");
    for (let i = 0; i < 20; i++) await rig.setConfigMap(rig.data(...names(i)));
    await rig.setConfigMap(rig.data("m2", "m3"));
    // Long enough that its timers and HAProxy's messages pile up.
    await sleep(5000);
    process.kill(rig.updaterPid, "SIGCONT");
    await live("m2", "m3");
  });

  it("works on when the wall clock is set by hours, in both directions", async () => {
    const shift = join(rig.folder, "shift");
    const preload = join(rig.folder, "clock.cjs");
    writeFileSync(shift, "0");
    // Timers do not follow the wall clock, as in a real process.
    writeFileSync(
      preload,
      `const { readFileSync } = require("node:fs"); const now = Date.now;
       Date.now = () => now() + Number(readFileSync(${JSON.stringify(shift)}, "utf8"));`,
    );
    rig.writeSettings({ drainSeconds: 600 });
    await rig.publish(rig.data("m1", "m2", "m3"));
    await rig.prepare();
    await rig.startHaproxy();
    await rig.startUpdater(["--require", preload]);
    await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
    for (const [hours, set] of [
      [5, ["m1", "m2"]],
      [-9, ["m1", "m3"]],
      [0, ["m1", "m2", "m3"]],
    ] as const) {
      writeFileSync(shift, String(hours * 3_600_000));
      await rig.setConfigMap(rig.data(...set));
      await live(...set);
      const { lastSyncSeconds } = await rig.status();
      assert.ok(lastSyncSeconds !== null && lastSyncSeconds >= 0 && lastSyncSeconds < 120);
      const stamp = await rig.metric("last_sync_timestamp_seconds");
      const wall = (Date.now() + hours * 3_600_000) / 1000;
      assert.ok(Math.abs(wall - stamp) < 120, `${stamp}, and it is ${wall}`);
    }
    assert.equal(await rig.metric("sessions_cut_total"), 0);
  });

  it("shows the age of its last sync while no API server answers", async () => {
    await rig.startAll("m1", "m2", "m3");
    for (const server of rig.servers.values()) server.hang();
    const age = async (): Promise<number> => (await rig.status()).lastSyncSeconds ?? 0;
    await rig.states({ m1: "down", m2: "down", m3: "down" });
    const before = await age();
    await waitFor("it grows", async () => (await age()) > before + 1);
    for (const server of rig.servers.values()) server.resume();
    await rig.setConfigMap(rig.data("m2", "m3"));
    await live("m2", "m3");
    assert.ok((await age()) < before + 1);
  });

  it("keeps the last good configuration when HAProxy refuses a new one, and reports that", async () => {
    // The updater's own CA is another file.
    const caFile = join(rig.folder, "haproxy-ca.crt");
    copyFileSync(rig.caFile, caFile);
    rig.writeSettings({
      haproxy: { ...rig.settings.haproxy, caFile },
      checkCommand: ["env", "HOST_IP=127.0.0.1", ...newest.command, "-c", "-f"],
    });
    await rig.startAll("m1", "m2");
    await rig.setConfigMap(rig.data("m1", "m2", "m3"));
    await live("m1", "m2", "m3");
    const file = (): string => readFileSync(rig.settings.configFile, "utf8");
    // HAProxy has the change first, then the file.
    await waitFor("m3 in the file", () => file().includes(rig.server("m3").address));
    const before = file();
    const { revision } = await rig.status();
    // HAProxy refuses every file now.
    rmSync(caFile);
    await rig.setConfigMap(rig.data("m2"));
    await waitFor("the log line", () => rig.log("updater").includes("ConfigurationNotWritten"));
    await waitFor("the Event names the key", async () =>
      /ConfigurationNotWritten.*drain s1=m1\(.*refuses/.test(await rig.events()),
    );
    copyFileSync(rig.caFile, caFile);
    assert.match(rig.log("updater"), /refuses .*haproxy\.cfg.*haproxy-ca\.crt/);
    const { body } = await rig.health("/updater/metrics");
    assert.match(body, /errors_total\{kind="write"\} 1/);
    assert.equal((await rig.status()).revision, revision);
    await live("m1", "m2", "m3");
    assert.equal(readFileSync(rig.settings.configFile, "utf8"), before);
    await rig.setConfigMap(rig.data("m3"));
    await live("m3");
  });

  it("needs less than 75 MB after 100 changes, and less than 2 % of a core at rest", async () => {
    await rig.startAll("m1", "m2", "m3");
    for (let i = 0; i < 100; i++) {
      await rig.setConfigMap(rig.data(...names(i)));
      await sleep(20);
    }
    await live(...names(99));
    await sleep(2000);
    const seconds = 8;
    const before = cpuSeconds(rig.updaterPid);
    await sleep(seconds * 1000);
    const percent = (100 * (cpuSeconds(rig.updaterPid) - before)) / seconds;
    const status = readFileSync(`/proc/${rig.updaterPid}/status`, "utf8");
    const megabytes = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    console.log(`      ${megabytes.toFixed(1)} MB, ${percent.toFixed(2)} % of a core`);
    assert.ok(megabytes < 75, `${megabytes} MB`);
    // At rest it is 0.5 %; a process's clock ticks in 10 ms, and a busy machine's caches are cold.
    assert.ok(percent < 2, `${percent} %`);
  });
});

/** CPU time of a process so far, user and system. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
