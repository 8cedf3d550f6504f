import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { HaproxySpec } from "../../haproxy/config";
import { RESERVED_CONNECTIONS } from "../../haproxy/spec";
import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import { BINARIES, Rig } from "./support/rig";
import { timeUntilClosed } from "./support/client";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`limits of HAProxy ${binary.version}`, function () {
    this.timeout(120_000);
    let rig: Rig;
    const sockets: Socket[] = [];

    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      await rig.stop();
    });

    const create = async (changes: Partial<HaproxySpec>): Promise<void> => {
      rig = await Rig.create(binary, changes);
      const { backend } = await rig.addServer("m1");
      rig.writeConfig([backend], () => true);
    };
    const timeouts = (changes: Partial<HaproxySpec["timeouts"]>): Partial<HaproxySpec> => ({
      timeouts: { ...HAPROXY_DEFAULTS.timeouts, ...changes },
    });
    /** Connections that never send a byte. */
    const connectSilently = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const socket = connect({ host: "127.0.0.1", port: rig.port });
        socket.on("error", () => undefined);
        sockets.push(socket);
      }
    };

    it("keeps health port and sessions through a flood of the LB port, and serves after it", async () => {
      await create({ maxConnections: 20, ...timeouts({ helloMs: 3000 }) });
      await rig.startHaproxy();
      const watch = await rig.watch();
      connectSilently(60);
      await waitFor("the LB port is full", async () =>
        (await rig.health("/metrics")).body.includes(
          'haproxy_frontend_current_sessions{proxy="endpoint"} 20',
        ),
      );
      assert.deepEqual(await rig.health("/healthz"), { status: 200, body: "ok" });
      // It waits in the kernel until silent ones are closed.
      assert.equal(await rig.ask(30_000), "m1");
      assert.ok(watch.open);
      watch.close();
      assert.equal((await rig.health("/metrics")).body.includes('proxy="ready"'), true);
    });

    it("closes a silent client after helloMs without a connection to a server", async () => {
      await create(timeouts({ helloMs: 500 }));
      await rig.startHaproxy();
      const began = performance.now();
      connectSilently(1);
      const [socket] = sockets;
      socket?.resume();
      await new Promise((resolve) => socket?.once("close", resolve));
      const took = performance.now() - began;
      assert.ok(took >= 450, `${took} ms`);
      const { stats } = await rig.runtime.snapshot();
      assert.ok(stats.every(({ sessions }) => sessions === 0));
      // A client that sends a byte late is served.
      assert.equal(await rig.ask(), "m1");
    });

    it("closes half-closed connections within seconds, while an idle watch stays open", async () => {
      await create({});
      await rig.startHaproxy();
      const watch = await rig.watch();
      // The API server closes what is no TLS; these clients never do.
      for (let i = 0; i < 100; i++) {
        const options = { host: "127.0.0.1", port: rig.port, allowHalfOpen: true };
        const socket = connect(options, () => socket.write("this is not TLS\n"));
        socket.on("error", () => undefined).resume();
        sockets.push(socket);
      }
      const sessions = async (): Promise<number> => {
        const { body } = await rig.health("/metrics");
        const line = /haproxy_frontend_current_sessions\{proxy="endpoint"\} (\d+)/.exec(body);
        return Number(line?.[1]);
      };
      await waitFor("the connections are open", async () => (await sessions()) === 101);
      await waitFor("only the watch is left", async () => (await sessions()) === 1);
      assert.ok(watch.open);
      watch.close();
    });

    it("closes an idle session after idleMs, and not before", async () => {
      // All other timeouts are far shorter than the idle time.
      await create(
        timeouts({ idleMs: 4000, helloMs: 300, connectMs: 300, checkMs: 300, queueMs: 300 }),
      );
      await rig.startHaproxy();
      const began = performance.now();
      const watch = await rig.watch();
      await waitFor("it is cut", () => watch.closedAt);
      const took = performance.now() - began;
      assert.ok(took >= 3900, `${took} ms`);
    });

    it("takes fewer connections under a low limit of open files, and reports that", async () => {
      rig = await Rig.create(binary, { maxConnections: 4000 });
      for (const name of ["m1", "m2"]) await rig.addServer(name);
      await rig.publish(rig.data("m1", "m2"));
      await rig.prepare();
      await rig.startHaproxy(400);
      await rig.startUpdater();
      const { maxConnections } = await rig.runtime.snapshot();
      assert.ok(maxConnections > 100 && maxConnections < 200, String(maxConnections));
      await waitFor("the log line", () =>
        /open files allows \d+ of .* 4000/.test(rig.log("updater")),
      );
      await waitFor("HAProxy has the limit", async () =>
        (await rig.health("/metrics")).body.includes(
          `haproxy_frontend_limit_sessions{proxy="endpoint"} ${maxConnections - RESERVED_CONNECTIONS}`,
        ),
      );
      connectSilently(300);
      await sleep(300);
      assert.deepEqual(await rig.health("/healthz"), { status: 200, body: "ok" });
      await waitFor("the Event", async () => (await rig.events()).includes("FewOpenFiles"));
    });

    it("closes at once without a server, also while it waits for the client's first byte", async () => {
      await create(timeouts({ helloMs: 5000 }));
      await rig.server("m1").kill();
      rig.writeConfig([rig.server("m1").backend], () => false);
      await rig.startHaproxy();
      const times = [];
      for (let i = 0; i < 10; i++) times.push(await timeUntilClosed(rig.port));
      assert.ok(Math.min(...times) < 100, times.join(" "));
    });
  });
}
