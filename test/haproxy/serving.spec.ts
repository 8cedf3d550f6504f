import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { MAX_BACKENDS } from "../../haproxy/model";
import { ALL_DOWN } from "../../haproxy/server-state";
import { BINARIES, Rig } from "./support/rig";
import { timeUntilClosed } from "./support/client";
import { DeadServer } from "./support/dead-server";
import { Namespace } from "./support/namespace";
import { ownAddress } from "./support/network";
import { waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`the configuration on HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let rig: Rig;

    beforeEach(async () => {
      rig = await Rig.create(binary);
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
    });
    afterEach(() => rig.stop());

    const backends = () => [...rig.servers.values()].map(({ backend }) => backend);
    const start = async (): Promise<void> => {
      rig.writeConfig(backends(), () => true);
      await rig.startHaproxy();
    };
    const answers = async (count: number): Promise<Set<string>> => {
      const names = new Set<string>();
      for (let i = 0; i < count; i++) names.add(await rig.ask());
      return names;
    };

    it("passes haproxy -c without a warning, with an own address of each family", () => {
      rig.writeConfig(backends(), () => true);
      for (const HOST_IP of ["127.0.0.1", "fd00::11"]) {
        const { code, output } = rig.checkConfig({ HOST_IP });
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /warning|alert/i);
      }
    });

    it("passes haproxy -c with IPv6 servers, an allow-list and the most servers", async () => {
      const many = Array.from({ length: MAX_BACKENDS }, (_, i) => ({
        name: `m${i}`,
        address: i % 2 === 0 ? `10.0.0.${i + 1}` : `fd00::${i + 1}`,
        port: 6443,
      }));
      const other = await Rig.create(binary, {
        allow: ["10.0.0.0/8", "fd00::/8"],
      });
      try {
        other.writeConfig(many, (_, slot) => slot % 3 !== 0);
        const { code, output } = other.checkConfig();
        assert.equal(code, 0, output);
        // The state file causes the warnings that servers are down, not the configuration.
        const warnings = output.split("\n").filter((line) => /warning|alert/i.test(line));
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

    it("accepts connections of the host itself and the allow-list alone", async () => {
      const other = await Rig.create(binary, { allow: ["203.0.113.0/24"] });
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

    it("listens on ports below 1024 with that capability alone, also after a reload", async () => {
      const low = await Rig.create(binary, { port: 443, healthPort: 81 });
      const machine = new Namespace();
      const only = "-all,+net_bind_service";
      try {
        low.writeConfig(backends(), () => true);
        await low.startHaproxy(undefined, [
          ...machine.command,
          // with noroot UID 0 has the rights of any other
          ...["setpriv", "--securebits", "+noroot,+noroot_locked", "--no-new-privs"],
          ...["--inh-caps", only, "--ambient-caps", only, "--bounding-set", only],
        ]);
        const listening = (port: number) =>
          execFileSync(machine.command[0]!, [
            ...machine.command.slice(1),
            ...["ss", "-Hltn", `sport = :${port}`],
          ]).toString();
        assert.match(listening(443), /127\.0\.0\.1:443/);
        const { configFile } = low.settings;
        const config = readFileSync(configFile, "utf8");
        writeFileSync(configFile, config.replace(/:443"/, ':444"'));
        await waitFor("the master process", () => low.master.workers());
        await low.master.reload();
        await waitFor("the other port", () => listening(444).includes("127.0.0.1:444"));
      } finally {
        await low.stop();
        machine.remove();
      }
    });

    it("does not start when the variable of its address is not set", () => {
      rig.writeConfig(backends(), () => true);
      const env = process.env["HOST_IP"];
      assert.equal(env, undefined);
      const { code, output } = rig.checkConfig({ HOST_IP: undefined });
      assert.notEqual(code, 0);
      assert.match(output, /HOST_IP is not set/);
    });

    it("spreads new connections over all ready servers", async () => {
      await start();
      assert.deepEqual(await answers(60), new Set(["m1", "m2", "m3"]));
      assert.deepEqual(await rig.health("/healthz"), { status: 200, body: "ok" });
      const metrics = await rig.health("/metrics");
      assert.match(metrics.body, /haproxy_server_status\{proxy="ready",server="s1"/);
    });

    it("sends nothing to a server that the state file has as down", async () => {
      await rig.server("m3").order({ readyz: 500 });
      rig.writeConfig(backends(), (_, slot) => slot < 2);
      await rig.startHaproxy();
      assert.deepEqual(await answers(60), new Set(["m1", "m2"]));
      await rig.checked("m3", 4);
      assert.deepEqual(await answers(30), new Set(["m1", "m2"]));
      assert.deepEqual((await rig.server("m3").report()).requests, []);
    });

    it("closes a connection within 100 ms when no server is alive", async () => {
      for (const server of rig.servers.values()) await server.kill();
      rig.writeConfig(backends(), ALL_DOWN);
      await rig.startHaproxy();
      const times = [];
      for (let i = 0; i < 10; i++) times.push(await timeUntilClosed(rig.port));
      // The best of ten: a busy machine may delay any one of them.
      assert.ok(Math.min(...times) < 100, times.join(" "));
      assert.deepEqual(await rig.health("/healthz"), { status: 200, body: "ok" });
    });

    it("loses no new connection to a server that was killed", async () => {
      await start();
      await rig.server("m2").kill();
      assert.deepEqual(await answers(40), new Set(["m1", "m3"]));
    });

    it("sends nothing to a restarted server that has its port open and does not serve yet", async () => {
      await start();
      await rig.server("m2").kill();
      await Promise.all(Array.from({ length: 30 }, () => rig.ask()));
      const next = await DeadServer.start("m2", rig.server("m2").backend);
      try {
        await answers(40);
        assert.equal(next.reached, 0);
      } finally {
        next.stop();
      }
    });

    it("keeps the sessions of a server that answers 5xx to checks", async () => {
      await start();
      const watch = await rig.watch("m1");
      await rig.server("m1").order({ readyz: 500, livez: 500 });
      await rig.ready("m2", "m3");
      assert.deepEqual(await answers(40), new Set(["m2", "m3"]));
      await rig.checked("m1", 4);
      assert.ok(watch.open);
      watch.close();
    });

    it("falls back to servers that are alive when none is ready", async () => {
      await start();
      const watch = await rig.watch();
      for (const server of rig.servers.values()) await server.order({ readyz: 500 });
      await rig.ready();
      // The fake API server answers 503: the request reached it.
      await assert.rejects(rig.ask(), /status 503/);
      assert.ok(watch.open);
      watch.close();
    });

    it("takes a hung server out, and back when it answers again", async () => {
      await start();
      rig.server("m2").hang();
      await rig.ready("m1", "m3");
      assert.deepEqual(await answers(40), new Set(["m1", "m3"]));
      rig.server("m2").resume();
      await rig.ready("m1", "m2", "m3");
      await waitFor("m2 serves", async () => (await rig.ask()) === "m2");
    });

    it("keeps a server down whose certificate has another CA", async () => {
      await start();
      const port = rig.server("m3").backend.port;
      await rig.server("m3").kill();
      const other = await Rig.create(binary);
      try {
        await other.addServer("m3", {}, port);
        await waitFor("checks fail by the certificate", async () =>
          (await rig.runtime.stats()).some(({ checkStatus }) => checkStatus === "L6RSP"),
        );
        await rig.ready("m1", "m2");
      } finally {
        await other.stop();
      }
    });
  });
}
