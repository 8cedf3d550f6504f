import assert from "node:assert/strict";
import { ownAddress } from "./support/network";
import { BINARIES, Rig } from "./support/rig";
import { assertRecovered, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`a wrong ConfigMap with HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let rig: Rig;

    beforeEach(async () => {
      rig = await Rig.create(binary);
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
    });
    afterEach(async function () {
      await rig.stop(this.currentTest);
    });

    /** The same address, on ports where nothing listens. */
    const wrongPorts = (): Record<string, string> => {
      const { address } = rig.server("m1").backend;
      return { m1: `${address}:9`, m2: `${address}:10`, m3: `${address}:11` };
    };
    const all = () => rig.data("m1", "m2", "m3");
    const reported = (problem: RegExp) =>
      waitFor(String(problem), async () => problem.test((await rig.status()).problems.join()));
    const recovers = async (): Promise<void> => {
      const began = performance.now();
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      const took = performance.now() - began;
      console.log(`      recovered after ${Math.round(took)} ms`);
      assertRecovered(took);
    };

    it("with wrong ports alone: the former servers serve on and keep their watches, until it is right", async () => {
      await rig.startAll("m1", "m2", "m3");
      const { pid } = await rig.runtime.snapshot();
      const watch = await rig.watch("m1");
      const load = rig.load(10);
      await rig.setConfigMap(wrongPorts());
      await reported(/^NoBackendAnswers: .*:9\).*serve on/);
      await waitFor("the Event", async () => (await rig.events()).includes("NoBackendAnswers"));
      assert.match(
        (await rig.health("/updater/metrics")).body,
        /_problems\{reason="NoBackendAnswers"\} 1/,
      );
      for (const page of ["ready", "live"]) {
        assert.deepEqual(await rig.health(`/updater/${page}`), { status: 200, body: "ok\n" });
      }
      const names = new Set<string>();
      for (let i = 0; i < 60; i++) names.add(await rig.ask());
      assert.deepEqual(names, new Set(["m1", "m2", "m3"]));
      await rig.setConfigMap(all());
      await recovers();
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual((await rig.status()).problems, []);
      assert.ok(watch.open);
      watch.close();
      assert.deepEqual(await rig.master.workers(), [pid]);
    });

    it("with the LB port in place of the API servers' is refused: no connection comes back to HAProxy", async () => {
      await rig.stop();
      rig = await Rig.create(binary, { listen: ["${HOST_IP}", ownAddress()] });
      for (const name of ["m1", "m2"]) await rig.addServer(name);
      await rig.startAll("m1", "m2");
      const load = rig.load(10);
      await rig.setConfigMap({ m1: `${ownAddress()}:${rig.port}` });
      await reported(/^BackendRefused: m1: ".*": .*is the LB port/);
      await rig.setConfigMap({ m1: `${ownAddress()}:${rig.port}`, m2: rig.server("m2").address });
      await rig.ready("m2");
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    it("with one right server beside wrong ones: the former servers drain as soon as it answers", async () => {
      await rig.startAll("m1", "m2");
      const load = rig.load(10);
      await rig.setConfigMap({ ...wrongPorts(), m3: rig.server("m3").address });
      await rig.ready("m3");
      await rig.states({ m1: "down", m2: "down", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    it("is replaced by one whose only server is alive, but never ready", async () => {
      await rig.server("m3").order({ readyz: 401 });
      await rig.startAll("m1", "m2");
      await rig.setConfigMap(rig.data("m3"));
      await rig.states({ m3: "alive" });
    });

    it("is in HAProxy's files with the former servers: all restart with it and serve, until it is right", async () => {
      await rig.startAll("m1", "m2", "m3");
      await rig.publish(wrongPorts());
      await reported(/^NoBackendAnswers/);
      await rig.killUpdater();
      await rig.killHaproxy();
      await rig.startHaproxy();
      for (let i = 0; i < 20; i++) assert.match(await rig.ask(), /m[123]/);
      await rig.killHaproxy();
      await rig.prepare();
      await rig.startHaproxy();
      for (let i = 0; i < 20; i++) assert.match(await rig.ask(), /m[123]/);
      await rig.startUpdater();
      await reported(/^NoBackendAnswers/);
      for (let i = 0; i < 20; i++) assert.match(await rig.ask(), /m[123]/);
      await rig.setConfigMap(all());
      await recovers();
    });

    it("does not keep a restarted updater from its host's own API server", async () => {
      const { address: localAddress, port: apiPort } = rig.server("m1").backend;
      rig.writeSettings({ localAddress, apiPort });
      await rig.publish(wrongPorts());
      // As a new pod: nothing is known from before.
      rig.writeSettings({ localAddress, apiPort, prepareWaitSeconds: 0 });
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.setConfigMap(all());
      await recovers();
    });

    it("does not keep a restarted updater from an API server that answered before, where its host has none", async () => {
      await rig.startAll("m1");
      await rig.publish(rig.data("m2"));
      await rig.states({ m2: "ready" });
      await rig.killUpdater();
      await rig.killHaproxy();
      await rig.publish(wrongPorts());
      await rig.server("m2").kill();
      await rig.server("m3").kill();
      rig.writeSettings({ prepareWaitSeconds: 0 });
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.server("m1").order({ revision: 90, data: rig.data("m1") });
      await rig.states({ m1: "ready" });
    });

    it("comes back key by key after all were deleted, without a failed connection or a broken watch", async () => {
      rig.writeSettings({ drainSeconds: 10 });
      await rig.startAll("m1", "m2", "m3");
      const watches = [await rig.watch("m1"), await rig.watch("m3")];
      const load = rig.load(10);
      for (const nothing of [{}, null]) {
        await rig.setConfigMap(nothing);
        await reported(/^NoBackends: /);
        await rig.ready("m1", "m2", "m3");
        for (const names of [["m2"], ["m1", "m2"], ["m1", "m2", "m3"]]) {
          await rig.setConfigMap(rig.data(...names));
          await waitFor("it is applied", async () => {
            const { backends } = await rig.status();
            return backends.filter(({ state }) => state === "ready").length === names.length;
          });
        }
      }
      await load.stop();
      assert.deepEqual(load.failures, []);
      for (const watch of watches) {
        assert.ok(watch.open);
        watch.close();
      }
    });
  });
}
