import assert from "node:assert/strict";
import { BINARIES, Rig } from "./support/rig";
import { Namespace } from "./support/namespace";
import { waitFor } from "./support/wait";

/** A server that does not answer gets no new connection after this. */
const OUT_WITHIN_MS = 3000;

for (const binary of BINARIES) {
  describe(`the health of servers on HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let rig: Rig;
    const namespaces: Namespace[] = [];

    beforeEach(async () => {
      rig = await Rig.create(binary);
      for (const name of ["m1", "m2"]) await rig.addServer(name);
    });
    afterEach(async function () {
      await rig.stop(this.currentTest);
      for (const namespace of namespaces.splice(0)) namespace.remove();
    });

    const start = async (): Promise<void> => {
      rig.writeConfig(
        [...rig.servers.values()].map(({ backend }) => backend),
        () => true,
      );
      await rig.startHaproxy();
      await rig.ready(...rig.servers.keys());
    };
    const blackHole = async (name: string): Promise<Namespace> => {
      const namespace = new Namespace();
      namespaces.push(namespace);
      await rig.addServer(name, {}, undefined, namespace);
      return namespace;
    };
    /** Milliseconds until m3 is out after its fault; then every connection is served. */
    const timeOut = async (fault: () => unknown): Promise<void> => {
      const began = performance.now();
      await fault();
      await rig.ready("m1", "m2");
      const took = performance.now() - began;
      for (let i = 0; i < 20; i++) {
        assert.match(await rig.ask(), /m[12]/);
      }
      console.log(`      out after ${Math.round(took)} ms`);
      assert.ok(took < OUT_WITHIN_MS, `${took} ms`);
    };

    it("takes a server out in less than 3 s that accepts connections and begins no TLS", async () => {
      await rig.addServer("m3");
      await start();
      await timeOut(() => rig.server("m3").hang());
    });

    it("takes a server out in less than 3 s that never answers /readyz", async () => {
      await rig.addServer("m3");
      await start();
      await timeOut(() => rig.server("m3").order({ readyz: 0 }));
    });

    it("takes an unreachable server out in less than 3 s, and back when it is reachable", async () => {
      const namespace = await blackHole("m3");
      await rig.startAll("m1", "m2", "m3");
      const watch = await rig.watch("m3");
      await timeOut(() => namespace.swallow());
      await waitFor("its session is cut", () => watch.closedAt);
      namespace.restore();
      await rig.ready("m1", "m2", "m3");
    });

    it("loses no new connection to an unreachable server", async () => {
      const namespace = await blackHole("m3");
      await start();
      namespace.swallow();
      const load = rig.load(5);
      await rig.ready("m1", "m2");
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    it("loses no new connection when the last ready server dies and others are alive", async () => {
      for (const name of ["m1", "m2"]) await rig.server(name).order({ readyz: 500 });
      await rig.addServer("m3");
      rig.writeConfig(
        [...rig.servers.values()].map(({ backend }) => backend),
        () => true,
      );
      await rig.startHaproxy();
      await rig.ready("m3");
      await rig.server("m3").order({ listening: false });
      // HAProxy has not noticed yet.
      const asked = await Promise.allSettled(Array.from({ length: 10 }, () => rig.ask()));
      const answers = asked.map((it) => (it.status === "fulfilled" ? it.value : String(it.reason)));
      // m1 and m2 answer 503: the connection reached them.
      assert.deepEqual([...new Set(answers)], ["Error: status 503"]);
    });

    it("takes a server back after each of 20 outages", async () => {
      const { checks } = rig.settings.haproxy;
      const quick = await Rig.create(binary, {
        checks: { ...checks, intervalMs: 100, fastIntervalMs: 50 },
      });
      try {
        const [m1, m2] = [await quick.addServer("m1"), await quick.addServer("m2")];
        quick.writeConfig([m1.backend, m2.backend], () => true);
        await quick.startHaproxy();
        const load = quick.load();
        for (let flap = 0; flap < 20; flap++) {
          // As an API server stops: first not ready, then away.
          await m2.order({ readyz: 500 });
          await quick.ready("m1");
          await m2.order({ listening: false });
          await m2.order({ listening: true, readyz: 200 });
          await quick.ready("m1", "m2");
        }
        await load.stop();
        // Until a check fails, a server that is not ready still serves: the fake answers 503.
        const failures = load.failures.filter((failure) => failure !== "Error: status 503");
        assert.deepEqual(failures, []);
      } finally {
        await quick.stop();
      }
    });

    it("ramps up the share of a server that has come back", async () => {
      await rig.addServer("m3", { readyz: 500 });
      const backends = [...rig.servers.values()].map(({ backend }) => backend);
      rig.writeConfig(backends, (_, slot) => slot < 2);
      await rig.startHaproxy();
      await rig.server("m3").order({ readyz: 200 });
      await rig.ready("m1", "m2", "m3");
      const share = async (): Promise<number> => {
        let count = 0;
        const began = performance.now();
        for (let i = 0; i < 100 && performance.now() - began < 3000; i++) {
          if ((await rig.ask()) === "m3") count += 1;
        }
        return count / 100;
      };
      const first = await share();
      console.log(`      share in the first seconds ${first}`);
      // A whole share is a third; the ramp takes 20 s.
      assert.ok(first < 0.2, String(first));
    });

    it("keeps sessions and the updater's watch when etcd has no quorum", async () => {
      await rig.addServer("m3");
      await rig.startAll("m1", "m2", "m3");
      const watches = await Promise.all(Array.from({ length: 10 }, () => rig.watch()));
      const counts = async () => {
        const reports = await Promise.all([...rig.servers.values()].map((it) => it.report()));
        return reports.map(({ lists, watches: opened }) => [lists, opened]);
      };
      const before = await counts();
      for (const server of rig.servers.values()) await server.order({ readyz: 500 });
      await rig.states({ m1: "alive", m2: "alive", m3: "alive" });
      // An API server that is not ready still answers: the fake one with 503, apart from checks.
      await assert.rejects(rig.ask(), /status 503/);
      for (const server of rig.servers.values()) await server.order({ readyz: 200 });
      await rig.ready("m1", "m2", "m3");
      assert.ok(watches.every((watch) => watch.open));
      for (const watch of watches) watch.close();
      assert.deepEqual(await counts(), before);
      assert.equal(await rig.metric("watch_restarts_total"), 0);
      assert.equal(await rig.metric("sessions_cut_total"), 0);
    });
  });
}
