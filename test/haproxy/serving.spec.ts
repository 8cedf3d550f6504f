import assert from "node:assert/strict";
import { MAX_BACKENDS } from "../../haproxy/model";
import { ALL_DOWN } from "../../haproxy/server-state";
import { PRE_STOP_HANDOVER } from "../../names";
import { BINARIES, Bench } from "./support/bench";
import { timeUntilClosed } from "./support/client";
import { DeadServer } from "./support/dead-server";
import { ownAddress } from "./support/network";
import { sleep, waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`the configuration on HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let bench: Bench;

    beforeEach(async () => {
      bench = await Bench.create(binary);
      for (const name of ["m1", "m2", "m3"]) await bench.addServer(name);
    });
    afterEach(() => bench.stop());

    const backends = () => [...bench.servers.values()].map(({ backend }) => backend);
    const start = async (): Promise<void> => {
      bench.writeConfig(backends(), () => true);
      await bench.startHaproxy();
    };
    const answers = async (count: number): Promise<Set<string>> => {
      const names = new Set<string>();
      for (let i = 0; i < count; i++) names.add(await bench.ask());
      return names;
    };

    it("passes haproxy -c without a warning, whatever the family of the own address", () => {
      bench.writeConfig(backends(), () => true);
      for (const HOST_IP of ["127.0.0.1", "fd00::11"]) {
        const { code, said } = bench.checkConfig({ HOST_IP });
        assert.equal(code, 0, said);
        assert.doesNotMatch(said, /warning|alert/i);
      }
    });

    it("answers its pre-stop handover when the forward has had time to take over, and serves until then", async () => {
      const leaving = await Bench.create(binary, { preStopHandover: true });
      try {
        const { backend } = await leaving.addServer("m1");
        leaving.writeConfig([backend], () => true);
        const { code, said } = leaving.checkConfig({ HOST_IP: "fd00::11" });
        assert.equal(code, 0, said);
        assert.doesNotMatch(said, /warning|alert/i);
        await leaving.startHaproxy();
        const { address, path, waitMs } = PRE_STOP_HANDOVER;
        const url = `http://${address}:${leaving.settings.haproxy.healthPort}`;
        const began = performance.now();
        const [{ status, took }, answer] = await Promise.all([
          fetch(`${url}${path}`).then(({ status }) => ({
            status,
            took: performance.now() - began,
          })),
          leaving.ask(),
        ]);
        assert.deepEqual([status, answer], [200, "m1"]);
        assert.ok(took > waitMs - 50, `answered after ${took} ms`);
        assert.equal((await fetch(`${url}/metrics`)).status, 403, "it is there for nothing else");
      } finally {
        await leaving.stop();
      }
    });

    it("passes haproxy -c with IPv6 servers, an allow-list and as many servers as there can be", async () => {
      const many = Array.from({ length: MAX_BACKENDS }, (_, i) => ({
        name: `m${i}`,
        address: i % 2 === 0 ? `10.0.0.${i + 1}` : `fd00::${i + 1}`,
        port: 6443,
      }));
      const other = await Bench.create(binary, {
        allow: ["10.0.0.0/8", "fd00::/8"],
        preStopHandover: true,
      });
      try {
        other.writeConfig(many, (_, slot) => slot % 3 !== 0);
        const { code, said } = other.checkConfig();
        assert.equal(code, 0, said);
        // That servers are down comes from the state file; the configuration itself gives no warning.
        const warnings = said.split("\n").filter((line) => /warning|alert/i.test(line));
        assert.deepEqual(
          warnings.filter(
            (line) => !/changed from server-state|is DOWN via alive|Warnings were found/.test(line),
          ),
          [],
        );
      } finally {
        await other.stop();
      }
    });

    it("lets the host itself and the allow-list in, and nobody else", async () => {
      const other = await Bench.create(binary, { allow: ["203.0.113.0/24"] });
      try {
        const server = await other.addServer("m1");
        other.writeConfig([server.backend], () => true);
        await other.startHaproxy();
        assert.equal(await other.ask(), "m1");
        await timeUntilClosed(other.port, ownAddress());
        assert.deepEqual((await server.report()).requests, ["/version"]);
      } finally {
        await other.stop();
      }
    });

    it("does not start when the address to listen on is not set", () => {
      bench.writeConfig(backends(), () => true);
      const env = process.env["HOST_IP"];
      assert.equal(env, undefined);
      const { code, said } = bench.checkConfig({ HOST_IP: undefined });
      assert.notEqual(code, 0);
      assert.match(said, /HOST_IP is not set/);
    });

    it("spreads new connections over all ready servers, and says on its own port that it lives", async () => {
      await start();
      assert.deepEqual(await answers(60), new Set(["m1", "m2", "m3"]));
      assert.deepEqual(await bench.health("/healthz"), { status: 200, body: "ok" });
      const metrics = await bench.health("/metrics");
      assert.match(metrics.body, /haproxy_server_status\{proxy="ready",server="s1"/);
    });

    it("starts with the servers down that the state file says are down: nothing is sent to them before a check", async () => {
      await bench.server("m3").order({ readyz: 500 });
      bench.writeConfig(backends(), (_, slot) => slot < 2);
      await bench.startHaproxy();
      assert.deepEqual(await answers(60), new Set(["m1", "m2"]));
      await sleep(1500);
      assert.deepEqual(await answers(30), new Set(["m1", "m2"]));
      assert.deepEqual((await bench.server("m3").report()).requests, []);
    });

    it("closes a connection at once when there is no server at all", async () => {
      for (const server of bench.servers.values()) await server.kill();
      bench.writeConfig(backends(), ALL_DOWN);
      await bench.startHaproxy();
      const times = [];
      for (let i = 0; i < 10; i++) times.push(await timeUntilClosed(bench.port));
      // The best of ten: a busy computer may delay any one of them.
      assert.ok(Math.min(...times) < 100, times.join(" "));
      assert.deepEqual(await bench.health("/healthz"), { status: 200, body: "ok" });
    });

    it("loses no new connection to a server that was killed", async () => {
      await start();
      await bench.server("m2").kill();
      assert.deepEqual(await answers(40), new Set(["m1", "m3"]));
    });

    it("sends nothing to a server that was killed when its next process has the port and does not serve yet", async () => {
      await start();
      await bench.server("m2").kill();
      await Promise.all(Array.from({ length: 30 }, () => bench.ask()));
      const next = await DeadServer.start("m2", bench.server("m2").backend);
      try {
        await answers(40);
        assert.equal(next.reached, 0);
      } finally {
        next.stop();
      }
    });

    it("keeps the sessions of a server that answers 5xx, and sends it no new ones", async () => {
      await start();
      const watch = await bench.watch("m1");
      await bench.server("m1").order({ readyz: 500, livez: 500 });
      await bench.ready("m2", "m3");
      assert.deepEqual(await answers(40), new Set(["m2", "m3"]));
      await sleep(1500);
      assert.ok(watch.open);
      watch.close();
    });

    it("falls back to servers that are alive when none is ready, and drops no session for it", async () => {
      await start();
      const watch = await bench.watch();
      for (const server of bench.servers.values()) await server.order({ readyz: 500 });
      await bench.ready();
      // The stand-in answers 503 then: it was reached.
      await assert.rejects(bench.ask(), /status 503/);
      assert.ok(watch.open);
      watch.close();
    });

    it("takes a server out that hangs, and back when it goes on", async () => {
      await start();
      bench.server("m2").hang();
      await bench.ready("m1", "m3");
      assert.deepEqual(await answers(40), new Set(["m1", "m3"]));
      bench.server("m2").resume();
      await bench.ready("m1", "m2", "m3");
      await waitFor("m2 serves", async () => (await bench.ask()) === "m2");
    });

    it("does not take up a server whose certificate is of another CA", async () => {
      await start();
      const port = bench.server("m3").backend.port;
      await bench.server("m3").kill();
      const other = await Bench.create(binary);
      try {
        await other.addServer("m3", {}, port);
        await bench.ready("m1", "m2");
        await sleep(3000);
        await bench.ready("m1", "m2");
      } finally {
        await other.stop();
      }
    });
  });
}
