import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { BINARIES, Bench } from "./support/bench";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`the updater beside HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let bench: Bench;

    beforeEach(async () => {
      bench = await Bench.create(binary);
      for (const name of ["m1", "m2", "m3"]) await bench.addServer(name);
    });
    afterEach(async function () {
      await bench.stop(this.currentTest);
    });

    const workerPid = async (): Promise<number> => (await bench.runtime.snapshot()).pid;

    it("starts with what prepare has checked: no connection fails, none reaches a server that is not ready", async () => {
      await bench.server("m2").order({ readyz: 500 });
      await bench.publish(bench.data("m1", "m2", "m3"));
      await bench.prepare();
      await bench.startHaproxy();
      const names = new Set<string>();
      for (let i = 0; i < 40; i++) names.add(await bench.ask());
      assert.deepEqual(names, new Set(["m1", "m3"]));
      const { requests } = await bench.server("m2").report();
      assert.deepEqual(requests, []);
    });

    it("follows added, removed and moved control-plane nodes with one process and no broken connection", async () => {
      await bench.startAll("m1", "m2");
      const pid = await workerPid();
      const watch = await bench.watch("m1");
      const load = bench.load(10);
      await bench.setConfigMap(bench.data("m1", "m2", "m3"));
      await bench.ready("m1", "m2", "m3");
      await waitFor("m3 serves", async () => (await bench.ask()) === "m3");
      // m2's key moves to another address.
      await bench.addServer("m4");
      const moved = { ...bench.data("m1", "m3"), m2: bench.server("m4").address };
      await bench.setConfigMap(moved);
      await bench.ready("m1", "m3", "m4");
      await bench.setConfigMap(bench.data("m1"));
      await bench.ready("m1");
      await waitFor("20 connections", () => load.answers.length >= 20);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.equal(await workerPid(), pid);
      assert.deepEqual(await bench.controlPlaneNode.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      await waitFor("m1 alone in the file", () => {
        const config = readFileSync(bench.settings.configFile, "utf8");
        const named = (name: string) => config.includes(bench.server(name).address);
        return named("m1") && !named("m2");
      });
      assert.equal(bench.checkConfig().code, 0);
    });

    it("never sends a connection to a new control-plane node before its check has passed", async () => {
      await bench.startAll("m1", "m2");
      await bench.server("m3").order({ readyz: 500 });
      const load = bench.load();
      await bench.setConfigMap(bench.data("m1", "m2", "m3"));
      await bench.states({ m1: "ready", m2: "ready", m3: "alive" });
      await sleep(1000);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(
        (await bench.server("m3").report()).requests.filter((path) => path === "/version"),
        [],
      );
      await bench.server("m3").order({ readyz: 200 });
      await bench.ready("m1", "m2", "m3");
    });

    it("drains a removed control-plane node, then cuts its sessions; a control-plane node put back in time keeps them", async () => {
      bench.writeSettings({ drainSeconds: 4 });
      await bench.startAll("m1", "m2");
      const watch = await bench.watch("m2");
      await bench.setConfigMap(bench.data("m1"));
      await bench.states({ m1: "ready", m2: "draining" });
      await bench.setConfigMap(bench.data("m1", "m2"));
      await bench.states({ m1: "ready", m2: "ready" });
      await waitFor("m2 serves again", async () => (await bench.ask()) === "m2");
      await sleep(5000);
      assert.ok(watch.open);
      await bench.setConfigMap(bench.data("m1"));
      await bench.states({ m1: "ready", m2: "draining" });
      assert.ok(watch.open);
      await waitFor("the session is cut", () => watch.closedAt);
      await bench.states({ m1: "ready" });
    });

    it("cuts the sessions of a server that hangs", async () => {
      await bench.startAll("m1", "m2", "m3");
      const lost = await bench.watch("m2");
      const kept = await bench.watch("m1");
      bench.server("m2").hang();
      await waitFor("the session is cut", () => lost.closedAt);
      await bench.ready("m1", "m3");
      assert.ok(kept.open);
      kept.close();
      assert.match((await bench.health("/updater/metrics")).body, /sessions_cut_total [1-9]/);
    });

    it("keeps the sessions of a server that refuses new connections or answers 5xx", async () => {
      await bench.startAll("m1", "m2", "m3");
      const watch = await bench.watch("m2");
      await bench.server("m2").order({ readyz: 500, livez: 500 });
      await bench.ready("m1", "m3");
      await bench.server("m2").order({ listening: false });
      await bench.states({ m1: "ready", m2: "down", m3: "ready" });
      await sleep(2500);
      assert.ok(watch.open);
      watch.close();
    });

    it("keeps the sessions of a server that has refused connections and takes them again without an answer, as one that starts", async () => {
      await bench.startAll("m1", "m2", "m3");
      const watch = await bench.watch("m2");
      await bench.server("m2").order({ listening: false });
      await bench.states({ m1: "ready", m2: "down", m3: "ready" });
      await bench.server("m2").order({ listening: true, readyz: 0, livez: 0 });
      const alive = async () =>
        (await bench.runtime.stats()).filter(({ pool }) => pool === "alive");
      await waitFor("m2 without an answer for a while", async () =>
        (await alive()).some(
          ({ checkStatus, sinceSeconds }) => checkStatus === "L7TOUT" && sinceSeconds >= 5,
        ),
      );
      assert.ok(watch.open);
      watch.close();
    });

    it("refuses a bad entry with its reason and takes the others", async () => {
      await bench.startAll("m1", "m2");
      await bench.setConfigMap({
        ...bench.data("m1", "m2", "m3"),
        m4: "127.0.0.1:6443",
        m5: "nonsense",
      });
      await bench.ready("m1", "m2", "m3");
      const { refused } = await bench.status();
      assert.deepEqual(
        refused.map(({ key }) => key),
        ["m4", "m5"],
      );
      assert.match((await bench.health("/updater/metrics")).body, /refused_entries 2/);
      assert.match(bench.log("updater"), /refused an entry.*"key":"m4".*loopback/);
      await waitFor("Events", async () => {
        const text = await bench.events();
        return text.includes("BackendRefused") && text.includes("m4") && text.includes("m5");
      });
    });

    it("never applies an empty or wholly invalid set", async () => {
      await bench.startAll("m1", "m2");
      const before = readFileSync(bench.settings.configFile, "utf8");
      await bench.setConfigMap({});
      await bench.setConfigMap({ m1: "nowhere" });
      await bench.setConfigMap(null);
      await waitFor("it is said", () => bench.log("updater").includes("does not exist"));
      await bench.ready("m1", "m2");
      assert.equal(readFileSync(bench.settings.configFile, "utf8"), before);
      await bench.setConfigMap(bench.data("m3"));
      await bench.ready("m3");
    });

    it("gives a restarted HAProxy the wanted backends and their health", async () => {
      await bench.startAll("m1", "m2");
      await bench.setConfigMap(bench.data("m2", "m3"));
      await bench.ready("m2", "m3");
      await bench.states({ m2: "ready", m3: "ready" });
      await waitFor("their health is on disk", () => {
        const lines = readFileSync(bench.settings.haproxy.stateFile, "utf8").split("\n");
        return lines.filter((line) => / ready .* 2 0 1 1 /.test(line)).length === 2;
      });
      await bench.killHaproxy();
      await bench.startHaproxy();
      // No wait for a check: the state file says who is up.
      for (let i = 0; i < 20; i++) assert.match(await bench.ask(), /m[23]/);
      await bench.states({ m2: "ready", m3: "ready" });
    });

    it("corrects a HAProxy that was started with an old file", async () => {
      await bench.startAll("m1", "m2");
      const old = readFileSync(bench.settings.configFile, "utf8");
      const oldState = readFileSync(bench.settings.haproxy.stateFile, "utf8");
      await bench.setConfigMap(bench.data("m3"));
      await bench.states({ m3: "ready" });
      await bench.killHaproxy();
      writeFileSync(bench.settings.configFile, old);
      writeFileSync(bench.settings.haproxy.stateFile, oldState);
      await bench.startHaproxy();
      await bench.ready("m3");
    });

    it("goes on where a killed updater stopped", async () => {
      await bench.startAll("m1", "m2");
      const pid = await workerPid();
      await bench.killUpdater();
      await bench.setConfigMap(bench.data("m2", "m3"));
      assert.match(await bench.ask(), /m[12]/);
      await bench.startUpdater();
      await bench.ready("m2", "m3");
      await bench.states({ m2: "ready", m3: "ready" });
      assert.equal(await workerPid(), pid);
    });

    it("leaves whole files when it is killed while it writes", async () => {
      await bench.startAll("m1", "m2");
      for (let round = 0; round < 5; round++) {
        let changing = true;
        const changes = (async () => {
          for (let i = 0; changing; i++) {
            await bench.setConfigMap(bench.data(...(i % 2 === 0 ? ["m1", "m3"] : ["m1", "m2"])));
            await sleep(20);
          }
        })();
        await sleep(300 + 40 * round);
        await bench.killUpdater("SIGKILL");
        changing = false;
        await changes;
        assert.equal(bench.checkConfig().code, 0);
        assert.match(readFileSync(bench.settings.configFile, "utf8"), /server updater unix@.*\n$/);
        JSON.parse(readFileSync(bench.settings.lastGoodFile, "utf8"));
        await bench.startUpdater();
      }
      await bench.setConfigMap(bench.data("m1", "m2", "m3"));
      await bench.states({ m1: "ready", m2: "ready", m3: "ready" });
      const leftovers = readdirSync(bench.folder).filter((name) => name.endsWith(".new"));
      assert.deepEqual(leftovers, []);
    });

    it("reloads with proof for other settings, and the new worker knows every server's health", async () => {
      await bench.startAll("m1", "m2", "m3");
      await bench.server("m2").order({ readyz: 500 });
      await bench.states({ m1: "ready", m2: "alive", m3: "ready" });
      const pid = await workerPid();
      const reached = (await bench.server("m2").report()).requests.length;
      await bench.killUpdater();
      const { haproxy } = bench.settings;
      const changed = { ...haproxy, timeouts: { ...haproxy.timeouts, connectMs: 900 } };
      bench.writeSettings({ haproxy: changed });
      const load = bench.load(10);
      await bench.startUpdater();
      const fresh = await waitFor("a new worker", async () => {
        const now = await workerPid();
        return now !== pid && now;
      });
      await bench.states({ m1: "ready", m2: "alive", m3: "ready" });
      await sleep(1000);
      await load.stop();
      assert.deepEqual(load.failures, []);
      const requests = (await bench.server("m2").report()).requests.slice(reached);
      assert.deepEqual(
        requests.filter((path) => path === "/version"),
        [],
      );
      assert.deepEqual(await bench.controlPlaneNode.workers(), [fresh]);
      assert.match((await bench.health("/updater/metrics")).body, /reloads_total 1/);
      assert.match(readFileSync(bench.settings.configFile, "utf8"), /timeout connect 900ms/);
    });

    it("takes a change back whose file the check refuses, and keeps the last good one", async () => {
      const m3 = bench.server("m3").address;
      const checkCommand = ["sh", "-c", `! grep -F ${m3} "$0"`];
      bench.writeSettings({ checkCommand });
      await bench.startAll("m1", "m2");
      const before = readFileSync(bench.settings.configFile, "utf8");
      await bench.setConfigMap(bench.data("m2", "m3"));
      await waitFor("it is said", () => bench.log("updater").includes("ConfigurationNotWritten"));
      await bench.states({ m1: "ready", m2: "ready" });
      await bench.ready("m1", "m2");
      assert.equal(readFileSync(bench.settings.configFile, "utf8"), before);
      const metrics = (await bench.health("/updater/metrics")).body;
      assert.match(metrics, /errors_total\{kind="write"\} [1-9]/);
      assert.match(metrics, /_config_check_available 1/);
      const { problems } = await bench.status();
      assert.match(problems.join(), /^ConfigurationNotWritten: .*m3/);
    });

    it("keeps the old configuration on disk and serving when HAProxy refuses a new one", async () => {
      await bench.startAll("m1", "m2");
      const before = readFileSync(bench.settings.configFile, "utf8");
      await bench.killUpdater();
      const { haproxy } = bench.settings;
      bench.writeSettings({ haproxy: { ...haproxy, caFile: `${bench.folder}/missing.crt` } });
      await bench.startUpdater();
      await waitFor("it is said", () => bench.log("updater").includes("ReloadFailed"));
      await waitFor(
        "the file is back",
        () => readFileSync(bench.settings.configFile, "utf8") === before,
      );
      for (let i = 0; i < 10; i++) assert.match(await bench.ask(), /m[12]/);
      await bench.setConfigMap(bench.data("m2", "m3"));
      await bench.ready("m2", "m3");
      assert.match(
        (await bench.health("/updater/metrics")).body,
        /errors_total\{kind="reload"\} 1/,
      );
      // Its next start is by the settings that it takes, with the newest backends.
      const m3 = bench.server("m3").address;
      await waitFor("the file has m3", () =>
        readFileSync(bench.settings.configFile, "utf8").includes(m3),
      );
      await bench.killUpdater();
      await bench.killHaproxy();
      await bench.startHaproxy();
      await bench.ready("m2", "m3");
    });

    it("reloads once when there are more control-plane nodes than slots", async () => {
      await bench.startAll("m1", "m2");
      const pid = await workerPid();
      const many = Object.fromEntries(
        Array.from({ length: 9 }, (_, i) => [
          `x${i}`,
          `${bench.server("m1").backend.address}:${i + 1}`,
        ]),
      );
      await bench.setConfigMap({ ...bench.data("m1", "m2", "m3"), ...many });
      await waitFor("a new worker", async () => (await workerPid()) !== pid);
      await bench.ready("m1", "m2", "m3");
      const { servers } = await bench.runtime.snapshot();
      assert.equal(servers.filter(({ pool }) => pool === "ready").length, 24);
      await waitFor("it is counted", async () =>
        (await bench.health("/updater/metrics")).body.includes("reloads_total 1"),
      );
    });

    it("turns to another API server when its own hangs, and still follows", async () => {
      await bench.startAll("m1", "m2", "m3");
      bench.server("m1").hang();
      const [, ...others] = [...bench.servers.values()];
      await bench.states({ m1: "down", m2: "ready", m3: "ready" });
      for (const server of others)
        await server.order({ revision: 90, data: bench.data("m2", "m3") });
      await bench.ready("m2", "m3");
      await bench.states({ m2: "ready", m3: "ready" });
    });

    it("reads a rotated token again, and says nothing of it", async () => {
      await bench.startAll("m1");
      await bench.killUpdater();
      writeFileSync(bench.settings.tokenFile, "wrong-token");
      const started = bench.startUpdater();
      await waitFor("401", () => bench.log("updater").includes("401"));
      writeFileSync(bench.settings.tokenFile, "test-token");
      await started;
      assert.doesNotMatch(bench.log("updater"), /wrong-token|test-token/);
    });

    it("ends at once on SIGTERM and leaves HAProxy as it is", async () => {
      await bench.startAll("m1");
      await bench.killUpdater("SIGTERM");
      assert.equal(await bench.ask(), "m1");
    });

    it("takes over what HAProxy runs when its own file is lost and no API server lets it in", async () => {
      await bench.startAll("m1", "m2");
      const watch = await bench.watch();
      await bench.killUpdater();
      rmSync(bench.settings.lastGoodFile);
      writeFileSync(bench.settings.tokenFile, "wrong-token");
      const started = bench.startUpdater();
      const address = bench.server("m1").backend.address;
      await waitFor("it knows two backends", async () => {
        const { backends } = await bench.status();
        return backends.length === 2 && backends.every(({ name }) => name === address);
      });
      await sleep(2500);
      await bench.ready("m1", "m2");
      assert.ok(watch.open);
      writeFileSync(bench.settings.tokenFile, "test-token");
      await started;
      await bench.states({ m1: "ready", m2: "ready" });
      assert.ok(watch.open);
      watch.close();
    });

    it("stays small through fifty changes: one process, no reload, the watch alive", async () => {
      await bench.startAll("m1", "m2", "m3");
      const pid = await workerPid();
      const watch = await bench.watch("m1");
      for (let i = 0; i < 50; i++) {
        await bench.setConfigMap(bench.data(...(i % 2 === 0 ? ["m1", "m2"] : ["m1", "m3"])));
        await sleep(30);
      }
      await bench.setConfigMap(bench.data("m1", "m2", "m3"));
      await bench.states({ m1: "ready", m2: "ready", m3: "ready" });
      assert.deepEqual(await bench.controlPlaneNode.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      const status = readFileSync(`/proc/${bench.updaterPid}/status`, "utf8");
      const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
      assert.ok(rss < 100, `${rss} MB`);
    });
  });
}
