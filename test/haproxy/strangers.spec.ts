import assert from "node:assert/strict";
import { get } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { HaproxySpec } from "../../haproxy/config";
import { haproxyContainer } from "../../pod/pod";
import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import { timeUntilClosed } from "./support/client";
import { Namespace } from "./support/namespace";
import { ownAddress } from "./support/network";
import { BINARIES, Rig } from "./support/rig";
import { waitFor } from "./support/wait";

/** Connections to the health port in each flood. */
const FLOOD = 1000;

for (const binary of BINARIES) {
  describe(`strangers in front of HAProxy ${binary.version}`, function () {
    this.timeout(120_000);
    let rig: Rig;
    const sockets = new Set<Socket>();
    const servers: Server[] = [];

    afterEach(async function () {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      for (const server of servers.splice(0)) server.close();
      await rig.stop(this.currentTest);
    });

    const create = async (changes: Partial<HaproxySpec> = {}): Promise<void> => {
      rig = await Rig.create(binary, changes);
      const { backend } = await rig.addServer("m1");
      rig.writeConfig([backend], () => true);
      await rig.startHaproxy();
    };
    /** A connection from this address; `text` is sent at once. */
    const open = (port: number, localAddress: string, text = ""): Socket => {
      const socket = connect({ host: "127.0.0.1", port, localAddress, allowHalfOpen: true });
      socket.on("error", () => undefined).resume();
      // the other side has closed
      for (const event of ["end", "close"]) socket.on(event, () => sockets.delete(socket));
      if (text !== "") socket.write(text);
      sockets.add(socket);
      return socket;
    };
    /** HTTP status of a probe, as kubelet makes it; rejects after its time limit. */
    const probe = (): Promise<number> => {
      const { livenessProbe } = haproxyContainer(
        {
          settings: { ...rig.settings, haproxy: rig.settings.haproxy },
          preStopHandover: false,
          haproxyImage: "haproxy",
          haproxyResources: { requests: {}, limits: {} },
          imagePullSecrets: [],
        },
        { command: [], volumeMounts: [] },
      ) as {
        livenessProbe: {
          timeoutSeconds: number;
          httpGet: { host?: string; port: number; path: string };
        };
      };
      const { httpGet, timeoutSeconds } = livenessProbe;
      const { host = "127.0.0.1", port, path } = httpGet;
      const signal = AbortSignal.timeout(1000 * timeoutSeconds);
      return new Promise((resolve, reject) => {
        get({ host, port, path, agent: false, signal }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        }).on("error", reject);
      });
    };

    const REQUEST = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const [kind, text] of [
      ["silent", ""],
      ["keep-alive", REQUEST],
    ] as const) {
      it(`pass every probe through ${FLOOD} ${kind} connections to the health port`, async () => {
        await create();
        const { healthPort } = rig.settings.haproxy;
        const flood = setInterval(() => {
          while (sockets.size < FLOOD) open(healthPort, "127.0.0.1", text);
        }, 50);
        try {
          for (let turn = 0; turn < 20; turn++) {
            assert.equal(await probe(), 200, `probe ${turn}`);
            await new Promise((resolve) => setTimeout(resolve, 200));
          }
        } finally {
          clearInterval(flood);
        }
      });
    }

    it("get no answer on the health port outside of the allow-list", async () => {
      await create({ allow: ["203.0.113.0/24"] });
      const { healthPort } = rig.settings.haproxy;
      // rejects if there is any answer
      const took = await timeUntilClosed(healthPort, ownAddress());
      const socket = open(healthPort, ownAddress(), REQUEST);
      let answer = "";
      socket.on("data", (data: Buffer) => (answer += data.toString()));
      await new Promise((resolve) => socket.once("close", resolve));
      assert.equal(answer, "");
      assert.ok(took < 1000, `${took} ms`);
      assert.equal((await rig.health("/metrics")).status, 200, "the host itself");
    });

    it("hold no more than their share of the LB port each, and others are served meanwhile", async () => {
      await create({ maxConnections: 200, maxConnectionsPerSource: 50 });
      const stranger = new Namespace();
      try {
        for (let i = 0; i < 300; i++) open(rig.port, stranger.neighbour, "\x16\x03");
        await waitFor("the stranger to be cut", () => sockets.size <= 50);
        assert.equal(await rig.ask(2000), "m1");
        assert.equal(sockets.size, 50);
      } finally {
        stranger.remove();
      }
    });

    it("are not the host itself nor the API servers' hosts, which have no share", async () => {
      await create({ maxConnections: 200, maxConnectionsPerSource: 20 });
      for (const source of ["127.0.0.1", rig.server("m1").backend.address]) {
        for (let i = 0; i < 40; i++) open(rig.port, source, "\x16\x03");
      }
      await waitFor("all connections", async () =>
        (await rig.health("/metrics")).body.includes(
          'haproxy_frontend_current_sessions{proxy="endpoint"} 80',
        ),
      );
    });

    it("that close their half first still get a long response", async () => {
      const late = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("error", () => undefined).resume();
        socket.on("end", () => {
          let parts = 0;
          const timer = setInterval(() => {
            parts += 1;
            socket.write("part ");
            if (parts < 3) return;
            clearInterval(timer);
            socket.end("end");
          }, 1000);
        });
      });
      servers.push(late);
      await new Promise<void>((resolve) => late.listen(0, "127.0.0.1", resolve));
      const { checks } = HAPROXY_DEFAULTS;
      // it answers no check: the state file says that it is up
      rig = await Rig.create(binary, {
        checks: { ...checks, intervalMs: 60_000, fastIntervalMs: 60_000, fall: 100 },
      });
      const { port } = late.address() as { port: number };
      rig.writeConfig([{ name: "m1", address: "127.0.0.1", port }], () => true);
      await rig.startHaproxy();
      const socket = open(rig.port, "127.0.0.1");
      let answer = "";
      socket.on("data", (data: Buffer) => (answer += data.toString()));
      socket.end("hello");
      await new Promise((resolve) => socket.once("close", resolve));
      assert.equal(answer, "part part part end");
    });
  });
}
