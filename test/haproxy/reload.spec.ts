import assert from "node:assert/strict";
import { connect } from "node:net";
import { BINARIES, Rig } from "./support/rig";
import { DeadServer } from "./support/dead-server";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`a reload of HAProxy ${binary.version} while two of three servers are dead`, function () {
    this.timeout(120_000);
    let rig: Rig;
    const dead: DeadServer[] = [];

    afterEach(async () => {
      await rig.stop();
      for (const server of dead.splice(0)) server.stop();
    });

    it("sends nothing to the dead servers, before and after", async () => {
      rig = await Rig.create(binary);
      await rig.addServer("m1");
      for (const name of ["m2", "m3"]) dead.push(await DeadServer.start(name));
      const [m2, m3] = dead as [DeadServer, DeadServer];
      const data = { ...rig.data("m1"), m2: m2.address, m3: m3.address };
      await rig.publish(data);
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.states({ m1: "ready", m2: "down", m3: "down" });
      const { pid } = await rig.runtime.snapshot();
      const load = rig.load(5);
      let knocking = true;
      // A connection to a dead server leaves its ClientHello there.
      const knock = (async () => {
        while (knocking) {
          const socket = connect({ host: "127.0.0.1", port: rig.port }, () =>
            socket.end("not a check"),
          );
          socket.on("error", () => undefined);
          socket.resume();
          await sleep(10);
        }
      })();
      // More control-plane nodes than slots: a reload is due.
      const { address, port } = rig.server("m1").backend;
      const many = Array.from({ length: 9 }, (_, i) => [`x${i}`, `${address}:${port + 1 + i}`]);
      await rig.setConfigMap({ ...data, ...(Object.fromEntries(many) as object) });
      await waitFor("a new worker", async () => (await rig.runtime.snapshot()).pid !== pid);
      await rig.ready("m1");
      const checks = m2.checks;
      await waitFor("checks of the new worker", () => m2.checks > checks + 2);
      knocking = false;
      await knock;
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual([m2.reached, m3.reached], [0, 0]);
      assert.equal(await rig.metric("reloads_total"), 1);
    });
  });
}
