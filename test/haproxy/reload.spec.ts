import assert from "node:assert/strict";
import { connect } from "node:net";
import { BINARIES, Bench } from "./support/bench";
import { DeadServer } from "./support/dead-server";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`a reload of HAProxy ${binary.version} while two of three servers are dead`, function () {
    this.timeout(120_000);
    let bench: Bench;
    const dead: DeadServer[] = [];

    afterEach(async () => {
      await bench.stop();
      for (const server of dead.splice(0)) server.stop();
    });

    it("sends nothing to the dead ones, before and after", async () => {
      bench = await Bench.create(binary);
      await bench.addServer("m1");
      for (const name of ["m2", "m3"]) dead.push(await DeadServer.start(name));
      const [m2, m3] = dead as [DeadServer, DeadServer];
      const data = { ...bench.data("m1"), m2: m2.address, m3: m3.address };
      await bench.publish(data);
      await bench.prepare();
      await bench.startHaproxy();
      await bench.startUpdater();
      await bench.states({ m1: "ready", m2: "down", m3: "down" });
      const { pid } = await bench.runtime.snapshot();
      const load = bench.load(5);
      let knocking = true;
      // Whoever is sent to a dead one leaves its greeting there.
      const knock = (async () => {
        while (knocking) {
          const socket = connect({ host: "127.0.0.1", port: bench.port }, () =>
            socket.end("not a check"),
          );
          socket.on("error", () => undefined);
          socket.resume();
          await sleep(10);
        }
      })();
      // More control-plane nodes than slots: a reload is due.
      const { address, port } = bench.server("m1").backend;
      const many = Array.from({ length: 9 }, (_, i) => [`x${i}`, `${address}:${port + 1 + i}`]);
      await bench.setConfigMap({ ...data, ...(Object.fromEntries(many) as object) });
      await waitFor("a new worker", async () => (await bench.runtime.snapshot()).pid !== pid);
      await bench.ready("m1");
      const checks = m2.checks;
      await waitFor("checks of the new worker", () => m2.checks > checks + 2);
      knocking = false;
      await knock;
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual([m2.reached, m3.reached], [0, 0]);
      assert.equal(await bench.metric("reloads_total"), 1);
    });
  });
}
