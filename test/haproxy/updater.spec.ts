import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { BINARIES, Rig } from "./support/rig";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`the updater beside HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let rig: Rig;

    beforeEach(async () => {
      rig = await Rig.create(binary);
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
    });
    afterEach(async function () {
      await rig.stop(this.currentTest);
    });

    const workerPid = async (): Promise<number> => (await rig.runtime.snapshot()).pid;

    it("starts with the servers that prepare found ready, and no other", async () => {
      await rig.server("m2").order({ readyz: 500 });
      await rig.publish(rig.data("m1", "m2", "m3"));
      await rig.prepare();
      await rig.startHaproxy();
      const names = new Set<string>();
      for (let i = 0; i < 40; i++) names.add(await rig.ask());
      assert.deepEqual(names, new Set(["m1", "m3"]));
      const { requests } = await rig.server("m2").report();
      assert.deepEqual(requests, []);
    });

    it("answers kubelet's probes behind HAProxy's health port: 503 without an updater, then 200", async () => {
      const codes = () =>
        Promise.all(
          ["/updater/ready", "/updater/live"].map(async (path) => (await rig.health(path)).status),
        );
      await rig.publish(rig.data("m1"));
      await rig.prepare();
      await rig.startHaproxy();
      assert.deepEqual(await codes(), [503, 503]);
      await rig.startUpdater();
      await waitFor("ready and live", async () => (await codes()).every((code) => code === 200));
    });

    it("follows added, removed and moved backends without a reload or a failed connection", async () => {
      await rig.startAll("m1", "m2");
      const pid = await workerPid();
      const watch = await rig.watch("m1");
      const load = rig.load(10);
      await rig.setConfigMap(rig.data("m1", "m2", "m3"));
      await rig.ready("m1", "m2", "m3");
      await waitFor("m3 serves", async () => (await rig.ask()) === "m3");
      // m2's key moves to another address.
      await rig.addServer("m4");
      const moved = { ...rig.data("m1", "m3"), m2: rig.server("m4").address };
      await rig.setConfigMap(moved);
      await rig.ready("m1", "m3", "m4");
      await rig.setConfigMap(rig.data("m1"));
      await rig.ready("m1");
      await waitFor("20 connections", () => load.answers.length >= 20);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.equal(await workerPid(), pid);
      assert.deepEqual(await rig.master.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      await waitFor("m1 alone in the file", () => {
        const config = readFileSync(rig.settings.configFile, "utf8");
        const named = (name: string) => config.includes(rig.server(name).address);
        return named("m1") && !named("m2");
      });
      assert.equal(rig.checkConfig().code, 0);
    });

    it("sends no connection to a new backend before its check passes", async () => {
      await rig.startAll("m1", "m2");
      await rig.server("m3").order({ readyz: 500 });
      const load = rig.load();
      await rig.setConfigMap(rig.data("m1", "m2", "m3"));
      await rig.states({ m1: "ready", m2: "ready", m3: "alive" });
      await rig.checked("m3", 4);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(
        (await rig.server("m3").report()).requests.filter((path) => path === "/version"),
        [],
      );
      await rig.server("m3").order({ readyz: 200 });
      await rig.ready("m1", "m2", "m3");
    });

    it("keeps the sessions of a removed backend until its drain ends, and of one put back in time", async () => {
      rig.writeSettings({ drainSeconds: 4 });
      await rig.startAll("m1", "m2");
      const watch = await rig.watch("m2");
      await rig.setConfigMap(rig.data("m1"));
      await rig.states({ m1: "ready", m2: "draining" });
      await rig.setConfigMap(rig.data("m1", "m2"));
      await rig.states({ m1: "ready", m2: "ready" });
      await waitFor("m2 serves again", async () => (await rig.ask()) === "m2");
      await sleep(5000);
      assert.ok(watch.open);
      await rig.setConfigMap(rig.data("m1"));
      await rig.states({ m1: "ready", m2: "draining" });
      assert.ok(watch.open);
      await waitFor("the session is cut", () => watch.closedAt);
      await rig.states({ m1: "ready" });
    });

    it("shuts down the sessions of a hung server", async () => {
      await rig.startAll("m1", "m2", "m3");
      const lost = await rig.watch("m2");
      const kept = await rig.watch("m1");
      rig.server("m2").hang();
      await waitFor("the session is cut", () => lost.closedAt);
      await rig.ready("m1", "m3");
      assert.ok(kept.open);
      kept.close();
      assert.match((await rig.health("/updater/metrics")).body, /sessions_cut_total [1-9]/);
    });

    it("keeps the sessions of a server that refuses new connections or answers 5xx", async () => {
      await rig.startAll("m1", "m2", "m3");
      const watch = await rig.watch("m2");
      await rig.server("m2").order({ readyz: 500, livez: 500 });
      await rig.ready("m1", "m3");
      await rig.server("m2").order({ listening: false });
      await rig.states({ m1: "ready", m2: "down", m3: "ready" });
      await waitFor("m2 down for longer than the grace period of a hung server", async () =>
        (await rig.runtime.stats()).some(
          ({ pool, status, sinceSeconds }) =>
            pool === "alive" && status.startsWith("DOWN") && sinceSeconds >= 4,
        ),
      );
      assert.ok(watch.open);
      watch.close();
    });

    it("keeps the sessions of a restarting server, which refuses and then accepts connections without an answer", async () => {
      await rig.startAll("m1", "m2", "m3");
      const watch = await rig.watch("m2");
      await rig.server("m2").order({ listening: false });
      await rig.states({ m1: "ready", m2: "down", m3: "ready" });
      await rig.server("m2").order({ listening: true, readyz: 0, livez: 0 });
      const alive = async () => (await rig.runtime.stats()).filter(({ pool }) => pool === "alive");
      await waitFor("m2 without an answer for a while", async () =>
        (await alive()).some(
          ({ checkStatus, sinceSeconds }) => checkStatus === "L7TOUT" && sinceSeconds >= 5,
        ),
      );
      assert.ok(watch.open);
      watch.close();
    });

    it("refuses an invalid entry with its reason, and applies the others", async () => {
      await rig.startAll("m1", "m2");
      await rig.setConfigMap({
        ...rig.data("m1", "m2", "m3"),
        m4: "127.0.0.1:6443",
        m5: "nonsense",
      });
      await rig.ready("m1", "m2", "m3");
      const { refused } = await rig.status();
      assert.deepEqual(
        refused.map(({ key }) => key),
        ["m4", "m5"],
      );
      assert.match((await rig.health("/updater/metrics")).body, /refused_entries 2/);
      assert.match(rig.log("updater"), /m4: .*loopback.*"reason":"BackendRefused"/);
      await waitFor("Events", async () => {
        const text = await rig.events();
        return text.includes("BackendRefused") && text.includes("m4") && text.includes("m5");
      });
    });

    it("never applies an empty or wholly invalid set", async () => {
      await rig.startAll("m1", "m2");
      const before = readFileSync(rig.settings.configFile, "utf8");
      await rig.setConfigMap({});
      await rig.setConfigMap({ m1: "nowhere" });
      await rig.setConfigMap(null);
      await waitFor("the problem", async () =>
        /NoBackends: .* does not exist/.test((await rig.status()).problems.join()),
      );
      await rig.ready("m1", "m2");
      assert.equal(readFileSync(rig.settings.configFile, "utf8"), before);
      await rig.setConfigMap(rig.data("m3"));
      await rig.ready("m3");
    });

    it("starts a restarted HAProxy with the desired backends and their health", async () => {
      await rig.startAll("m1", "m2");
      await rig.setConfigMap(rig.data("m2", "m3"));
      await rig.ready("m2", "m3");
      await rig.states({ m2: "ready", m3: "ready" });
      await waitFor("their health is on disk", () => {
        const lines = readFileSync(rig.settings.haproxy.stateFile, "utf8").split("\n");
        return lines.filter((line) => / ready .* 2 0 1 1 /.test(line)).length === 2;
      });
      await rig.killHaproxy();
      await rig.startHaproxy();
      // Without a wait for a check: the state file has the servers' health.
      for (let i = 0; i < 20; i++) assert.match(await rig.ask(), /m[23]/);
      await rig.states({ m2: "ready", m3: "ready" });
    });

    it("corrects a HAProxy that was started with an old file", async () => {
      await rig.startAll("m1", "m2");
      const old = readFileSync(rig.settings.configFile, "utf8");
      const oldState = readFileSync(rig.settings.haproxy.stateFile, "utf8");
      await rig.setConfigMap(rig.data("m3"));
      await rig.states({ m3: "ready" });
      await rig.killHaproxy();
      writeFileSync(rig.settings.configFile, old);
      writeFileSync(rig.settings.haproxy.stateFile, oldState);
      await rig.startHaproxy();
      await rig.ready("m3");
    });

    it("continues where a killed updater stopped", async () => {
      await rig.startAll("m1", "m2");
      const pid = await workerPid();
      await rig.killUpdater();
      await rig.setConfigMap(rig.data("m2", "m3"));
      assert.match(await rig.ask(), /m[12]/);
      await rig.startUpdater();
      await rig.ready("m2", "m3");
      await rig.states({ m2: "ready", m3: "ready" });
      assert.equal(await workerPid(), pid);
    });

    it("leaves whole files when it is killed during a write", async () => {
      await rig.startAll("m1", "m2");
      for (let round = 0; round < 5; round++) {
        let changing = true;
        const changes = (async () => {
          for (let i = 0; changing; i++) {
            await rig.setConfigMap(rig.data(...(i % 2 === 0 ? ["m1", "m3"] : ["m1", "m2"])));
            await sleep(20);
          }
        })();
        await sleep(300 + 40 * round);
        await rig.killUpdater("SIGKILL");
        changing = false;
        await changes;
        assert.equal(rig.checkConfig().code, 0);
        assert.match(readFileSync(rig.settings.configFile, "utf8"), /server updater unix@.*\n$/);
        JSON.parse(readFileSync(rig.settings.lastGoodFile, "utf8"));
        await rig.startUpdater();
      }
      await rig.setConfigMap(rig.data("m1", "m2", "m3"));
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      const leftovers = readdirSync(rig.folder).filter((name) => name.endsWith(".new"));
      assert.deepEqual(leftovers, []);
    });

    it("reloads for other settings, and the new worker has every server's health", async () => {
      await rig.startAll("m1", "m2", "m3");
      await rig.server("m2").order({ readyz: 500 });
      await rig.states({ m1: "ready", m2: "alive", m3: "ready" });
      const pid = await workerPid();
      const reached = (await rig.server("m2").report()).requests.length;
      await rig.killUpdater();
      const { haproxy } = rig.settings;
      const changed = { ...haproxy, timeouts: { ...haproxy.timeouts, connectMs: 900 } };
      rig.writeSettings({ haproxy: changed });
      const load = rig.load(10);
      await rig.startUpdater();
      const fresh = await waitFor("a new worker", async () => {
        const now = await workerPid();
        return now !== pid && now;
      });
      await rig.states({ m1: "ready", m2: "alive", m3: "ready" });
      await rig.checked("m2", 4);
      await load.stop();
      assert.deepEqual(load.failures, []);
      const requests = (await rig.server("m2").report()).requests.slice(reached);
      assert.deepEqual(
        requests.filter((path) => path === "/version"),
        [],
      );
      assert.deepEqual(await rig.master.workers(), [fresh]);
      assert.match((await rig.health("/updater/metrics")).body, /reloads_total 1/);
      assert.match(readFileSync(rig.settings.configFile, "utf8"), /timeout connect 900ms/);
    });

    it("takes back a change whose file the check refuses", async () => {
      const m3 = rig.server("m3").address;
      const checkCommand = ["sh", "-c", `! grep -F ${m3} "$0"`];
      rig.writeSettings({ checkCommand });
      await rig.startAll("m1", "m2");
      const before = readFileSync(rig.settings.configFile, "utf8");
      await rig.setConfigMap(rig.data("m2", "m3"));
      await waitFor("the log line", () => rig.log("updater").includes("ConfigurationNotWritten"));
      await rig.states({ m1: "ready", m2: "ready" });
      await rig.ready("m1", "m2");
      assert.equal(readFileSync(rig.settings.configFile, "utf8"), before);
      const metrics = (await rig.health("/updater/metrics")).body;
      assert.match(metrics, /errors_total\{kind="write"\} [1-9]/);
      assert.match(metrics, /_config_check_available 1/);
      const { problems } = await rig.status();
      assert.match(problems.join(), /^ConfigurationNotWritten: .*m3/);
    });

    it("keeps the old configuration, on disk too, when a reload fails", async () => {
      await rig.startAll("m1", "m2");
      const before = readFileSync(rig.settings.configFile, "utf8");
      await rig.killUpdater();
      const { haproxy } = rig.settings;
      rig.writeSettings({ haproxy: { ...haproxy, caFile: `${rig.folder}/missing.crt` } });
      await rig.startUpdater();
      await waitFor("the log line", () => rig.log("updater").includes("ReloadFailed"));
      await waitFor(
        "the file is back",
        () => readFileSync(rig.settings.configFile, "utf8") === before,
      );
      for (let i = 0; i < 10; i++) assert.match(await rig.ask(), /m[12]/);
      await rig.setConfigMap(rig.data("m2", "m3"));
      await rig.ready("m2", "m3");
      assert.match((await rig.health("/updater/metrics")).body, /errors_total\{kind="reload"\} 1/);
      // The next start uses the old settings with the newest backends.
      const m3 = rig.server("m3").address;
      await waitFor("the file has m3", () =>
        readFileSync(rig.settings.configFile, "utf8").includes(m3),
      );
      await rig.killUpdater();
      await rig.killHaproxy();
      await rig.startHaproxy();
      await rig.ready("m2", "m3");
    });

    it("reloads once when there are more backends than slots", async () => {
      await rig.startAll("m1", "m2");
      const pid = await workerPid();
      const many = Object.fromEntries(
        Array.from({ length: 9 }, (_, i) => [
          `x${i}`,
          `${rig.server("m1").backend.address}:${i + 1}`,
        ]),
      );
      await rig.setConfigMap({ ...rig.data("m1", "m2", "m3"), ...many });
      await waitFor("a new worker", async () => (await workerPid()) !== pid);
      await rig.ready("m1", "m2", "m3");
      const { servers } = await rig.runtime.snapshot();
      assert.equal(servers.filter(({ pool }) => pool === "ready").length, 24);
      await waitFor("it is counted", async () =>
        (await rig.health("/updater/metrics")).body.includes("reloads_total 1"),
      );
    });

    it("follows another API server when its own hangs", async () => {
      await rig.startAll("m1", "m2", "m3");
      rig.server("m1").hang();
      const [, ...others] = [...rig.servers.values()];
      await rig.states({ m1: "down", m2: "ready", m3: "ready" });
      for (const server of others) await server.order({ revision: 90, data: rig.data("m2", "m3") });
      await rig.ready("m2", "m3");
      await rig.states({ m2: "ready", m3: "ready" });
    });

    it("uses a rotated token, and logs no token", async () => {
      await rig.startAll("m1");
      await rig.killUpdater();
      writeFileSync(rig.settings.tokenFile, "wrong-token");
      const started = rig.startUpdater();
      await waitFor("401", () => rig.log("updater").includes("401"));
      writeFileSync(rig.settings.tokenFile, "test-token");
      await started;
      assert.doesNotMatch(rig.log("updater"), /wrong-token|test-token/);
    });

    it("ends on SIGTERM, and HAProxy serves on", async () => {
      await rig.startAll("m1");
      await rig.killUpdater("SIGTERM");
      assert.equal(await rig.ask(), "m1");
    });

    it("adopts HAProxy's backends when its own file is lost and no API server accepts its token", async () => {
      await rig.startAll("m1", "m2");
      const watch = await rig.watch();
      await rig.killUpdater();
      rmSync(rig.settings.lastGoodFile);
      writeFileSync(rig.settings.tokenFile, "wrong-token");
      const started = rig.startUpdater();
      const address = rig.server("m1").backend.address;
      await waitFor("it knows two backends", async () => {
        const { backends } = await rig.status();
        return backends.length === 2 && backends.every(({ name }) => name === address);
      });
      await sleep(2500);
      await rig.ready("m1", "m2");
      assert.ok(watch.open);
      writeFileSync(rig.settings.tokenFile, "test-token");
      await started;
      await rig.states({ m1: "ready", m2: "ready" });
      assert.ok(watch.open);
      watch.close();
    });

    it("makes fifty changes without a reload or a broken watch, in less than 100 MB", async () => {
      await rig.startAll("m1", "m2", "m3");
      const pid = await workerPid();
      const watch = await rig.watch("m1");
      for (let i = 0; i < 50; i++) {
        await rig.setConfigMap(rig.data(...(i % 2 === 0 ? ["m1", "m2"] : ["m1", "m3"])));
        await sleep(30);
      }
      await rig.setConfigMap(rig.data("m1", "m2", "m3"));
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      assert.deepEqual(await rig.master.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      const status = readFileSync(`/proc/${rig.updaterPid}/status`, "utf8");
      const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
      assert.ok(rss < 100, `${rss} MB`);
    });
  });
}
