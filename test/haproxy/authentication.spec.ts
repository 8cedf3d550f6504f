import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import { checkTokenFile } from "../../haproxy/spec";
import { BINARIES, Rig } from "./support/rig";
import { TOKEN } from "./support/control-plane";
import { waitFor } from "./support/wait";

const checks = { ...HAPROXY_DEFAULTS.checks, authentication: "token" } as const;
/** As long as a ServiceAccount's token. */
const LONG = `${"eyJhbGciOiJSUzI1NiIs".repeat(60)}.next-token_2`;

for (const binary of BINARIES) {
  describe(`API servers without anonymous access, and HAProxy ${binary.version}`, function () {
    this.timeout(120_000);
    let rig: Rig;

    beforeEach(async () => {
      rig = await Rig.create(binary, { checks });
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name, { anonymous: false });
    });
    afterEach(async function () {
      await rig.stop(this.currentTest);
    });

    const accept = async (token: string): Promise<void> => {
      for (const server of rig.servers.values()) await server.order({ token });
    };

    it("are checked with the updater's token, which neither haproxy.cfg nor a log contains", async () => {
      await rig.server("m2").order({ readyz: 500 });
      await rig.publish(rig.data("m1", "m2", "m3"));
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.ready("m1", "m3");
      const load = rig.load();
      await rig.states({ m1: "ready", m2: "alive", m3: "ready" });
      await rig.server("m2").order({ readyz: 200 });
      await rig.ready("m1", "m2", "m3");
      await load.stop();
      assert.deepEqual(load.failures, []);
      const { configFile, haproxy, tokenFile } = rig.settings;
      assert.equal(statSync(checkTokenFile(haproxy)).mode & 0o777, 0o640);
      const holders = readdirSync(rig.folder).filter((name) => {
        const file = join(rig.folder, name);
        return statSync(file).isFile() && readFileSync(file, "utf8").includes(TOKEN);
      });
      assert.deepEqual(holders.sort(), ["check-token.map", "token"]);
      assert.ok(configFile.startsWith(rig.folder) && tokenFile.startsWith(rig.folder));
      assert.equal(rig.checkConfig().code, 0);
    });

    it("stay ready when the token is rotated, without a reload", async () => {
      await rig.startAll("m1", "m2", "m3");
      const { pid } = await rig.runtime.snapshot();
      const load = rig.load();
      // Kubelet renews a token long before it expires: both are valid for a while.
      writeFileSync(rig.settings.tokenFile, LONG);
      await waitFor("HAProxy has it", () =>
        rig.runtime.hasMapValue(checkTokenFile(rig.settings.haproxy), "token", LONG),
      );
      await accept(LONG);
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(await rig.master.workers(), [pid]);
      assert.ok(!rig.log("updater").includes(LONG) && !rig.log("haproxy").includes(LONG));
      // A new process reads it from the file.
      await rig.killUpdater();
      await rig.killHaproxy();
      await rig.startHaproxy();
      await rig.ready("m1", "m2", "m3");
    });

    it("serve as alive, not ready, when they refuse the token", async () => {
      await rig.startAll("m1", "m2", "m3");
      await accept("another");
      await rig.ready();
      // They are ready: /version answers.
      for (let i = 0; i < 10; i++) assert.match(await rig.ask(), /m\d/);
      await waitFor("the log line", () => rig.log("updater").includes("ChecksUnauthorized"));
      assert.match(rig.log("updater"), /the updater's token is not accepted/);
      await accept(TOKEN);
      await rig.ready("m1", "m2", "m3");
    });

    it("let HAProxy start before there is a token", async () => {
      writeFileSync(rig.settings.tokenFile, "");
      await rig.publish(rig.data("m1"));
      rig.writeSettings({ prepareWaitSeconds: 1 });
      await rig.prepare();
      await rig.startHaproxy();
      assert.equal(await rig.ask(), "m1");
      writeFileSync(rig.settings.tokenFile, TOKEN);
      await rig.startUpdater();
      await rig.ready("m1");
    });

    it("are checked with a token of the updater's environment, and with the next one", async () => {
      const variable = "CONTROL_PLANE_LB_TOKEN";
      writeFileSync(rig.settings.tokenFile, "");
      rig.writeSettings({ tokenVariable: variable, prepareWaitSeconds: 0 });
      await rig.publish(rig.data("m1", "m2"));
      // As on a host: `prepare` has no token, and HAProxy starts without a ready server.
      await rig.prepare();
      await rig.startHaproxy();
      assert.match(await rig.ask(), /m[12]/);
      await rig.startUpdater([], { [variable]: TOKEN });
      await rig.ready("m1", "m2");
      const { pid } = await rig.runtime.snapshot();
      const load = rig.load();
      await rig.killUpdater("SIGTERM");
      await accept(LONG);
      await rig.startUpdater([], { [variable]: LONG });
      await rig.ready("m1", "m2");
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(await rig.master.workers(), [pid]);
      assert.ok(!rig.log("updater").includes(LONG) && !rig.log("haproxy").includes(LONG));
    });

    it("get checks with a token by a reload, which the problem before names as the cure", async () => {
      const anonymous = { ...rig.settings.haproxy, checks: HAPROXY_DEFAULTS.checks };
      rig.writeSettings({ haproxy: anonymous, prepareWaitSeconds: 1 });
      await rig.publish(rig.data("m1", "m2", "m3"));
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.states({ m1: "alive", m2: "alive", m3: "alive" });
      await waitFor("the Event", async () => {
        const text = await rig.events();
        return (
          text.includes("answers 401 or 403 to /readyz") && text.includes("anonymous-auth=false")
        );
      });
      await rig.killUpdater();
      rig.writeSettings();
      const load = rig.load();
      await rig.startUpdater();
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.equal(await rig.metric("reloads_total"), 1);
    });
  });
}
