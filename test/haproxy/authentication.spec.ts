import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import { checkTokenFile } from "../../haproxy/spec";
import { BINARIES, Bench, TOKEN } from "./support/bench";
import { waitFor } from "./support/wait";

const checks = { ...HAPROXY_DEFAULTS.checks, authentication: "token" } as const;
/** As long as a ServiceAccount's. */
const LONG = `${"eyJhbGciOiJSUzI1NiIs".repeat(60)}.next-token_2`;

for (const binary of BINARIES) {
  describe(`API servers without anonymous access, and HAProxy ${binary.version}`, function () {
    this.timeout(120_000);
    let bench: Bench;

    beforeEach(async () => {
      bench = await Bench.create(binary, { checks });
      for (const name of ["m1", "m2", "m3"]) await bench.addServer(name, { anonymous: false });
    });
    afterEach(async function () {
      await bench.stop(this.currentTest);
    });

    const accept = async (token: string): Promise<void> => {
      for (const server of bench.servers.values()) await server.order({ token });
    };

    it("are checked with the updater's token: from the first moment, ready or not, never in haproxy.cfg or a log", async () => {
      await bench.server("m2").order({ readyz: 500 });
      await bench.publish(bench.data("m1", "m2", "m3"));
      await bench.prepare();
      await bench.startHaproxy();
      await bench.startUpdater();
      await bench.ready("m1", "m3");
      const load = bench.load();
      await bench.states({ m1: "ready", m2: "alive", m3: "ready" });
      await bench.server("m2").order({ readyz: 200 });
      await bench.ready("m1", "m2", "m3");
      await load.stop();
      assert.deepEqual(load.failures, []);
      const { configFile, haproxy, tokenFile } = bench.settings;
      assert.equal(statSync(checkTokenFile(haproxy)).mode & 0o777, 0o640);
      const holders = readdirSync(bench.folder).filter((name) => {
        const file = join(bench.folder, name);
        return statSync(file).isFile() && readFileSync(file, "utf8").includes(TOKEN);
      });
      assert.deepEqual(holders.sort(), ["check-token.map", "token"]);
      assert.ok(configFile.startsWith(bench.folder) && tokenFile.startsWith(bench.folder));
      assert.equal(bench.checkConfig().code, 0);
    });

    it("stay ready when the token is rotated, without a reload", async () => {
      await bench.startAll("m1", "m2", "m3");
      const { pid } = await bench.runtime.snapshot();
      const load = bench.load();
      // The kubelet renews a token long before the old one ends: both are good for a while.
      writeFileSync(bench.settings.tokenFile, LONG);
      await waitFor("HAProxy has it", () =>
        bench.runtime.hasMapValue(checkTokenFile(bench.settings.haproxy), "token", LONG),
      );
      await accept(LONG);
      await bench.states({ m1: "ready", m2: "ready", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(await bench.controlPlaneNode.workers(), [pid]);
      assert.ok(!bench.log("updater").includes(LONG) && !bench.log("haproxy").includes(LONG));
      // A new process knows it from the file.
      await bench.killUpdater();
      await bench.killHaproxy();
      await bench.startHaproxy();
      await bench.ready("m1", "m2", "m3");
    });

    it("serve all the same when the token is refused: none is ready, all that live serve", async () => {
      await bench.startAll("m1", "m2", "m3");
      await accept("another");
      await bench.ready();
      // They are ready in truth: /version answers.
      for (let i = 0; i < 10; i++) assert.match(await bench.ask(), /m\d/);
      await waitFor("it is said", () => bench.log("updater").includes("ChecksUnauthorized"));
      assert.match(bench.log("updater"), /the updater's token is not accepted/);
      await accept(TOKEN);
      await bench.ready("m1", "m2", "m3");
    });

    it("are no reason not to start when there is no token yet", async () => {
      writeFileSync(bench.settings.tokenFile, "");
      await bench.publish(bench.data("m1"));
      bench.writeSettings({ prepareWaitSeconds: 1 });
      await bench.prepare();
      await bench.startHaproxy();
      assert.equal(await bench.ask(), "m1");
      writeFileSync(bench.settings.tokenFile, TOKEN);
      await bench.startUpdater();
      await bench.ready("m1");
    });

    it("are checked with a token that only the updater's environment has, and with the next one", async () => {
      const variable = "CONTROL_PLANE_LB_TOKEN";
      writeFileSync(bench.settings.tokenFile, "");
      bench.writeSettings({ tokenVariable: variable, prepareWaitSeconds: 0 });
      await bench.publish(bench.data("m1", "m2"));
      // as a service: HAProxy's own preparation has no token, and none ready is no reason not to serve
      await bench.prepare();
      await bench.startHaproxy();
      assert.match(await bench.ask(), /m[12]/);
      await bench.startUpdater([], { [variable]: TOKEN });
      await bench.ready("m1", "m2");
      const { pid } = await bench.runtime.snapshot();
      const load = bench.load();
      await bench.killUpdater("SIGTERM");
      await accept(LONG);
      await bench.startUpdater([], { [variable]: LONG });
      await bench.ready("m1", "m2");
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(await bench.controlPlaneNode.workers(), [pid]);
      assert.ok(!bench.log("updater").includes(LONG) && !bench.log("haproxy").includes(LONG));
    });

    it("are followed by a reload when the settings turn to the token, and the operator is told before", async () => {
      const anonymous = { ...bench.settings.haproxy, checks: HAPROXY_DEFAULTS.checks };
      bench.writeSettings({ haproxy: anonymous, prepareWaitSeconds: 1 });
      await bench.publish(bench.data("m1", "m2", "m3"));
      await bench.prepare();
      await bench.startHaproxy();
      await bench.startUpdater();
      await bench.states({ m1: "alive", m2: "alive", m3: "alive" });
      await waitFor("the Event", async () => {
        const text = await bench.events();
        return (
          text.includes("answers 401 or 403 to /readyz") && text.includes("anonymous-auth=false")
        );
      });
      await bench.killUpdater();
      bench.writeSettings();
      const load = bench.load();
      await bench.startUpdater();
      await bench.states({ m1: "ready", m2: "ready", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.equal(await bench.metric("reloads_total"), 1);
    });
  });
}
