import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { DiscoveryMode } from "../../updater/settings";
import { BINARIES, Rig } from "./support/rig";
import { Machines } from "./support/machines";
import { freePort } from "./support/network";
import { sleep, waitFor } from "./support/wait";

const NAMES = ["m1", "m2", "m3"] as const;

for (const binary of BINARIES) {
  describe(`HAProxy ${binary.version} with the API servers' EndpointSlice`, function () {
    this.timeout(180_000);
    let machines: Machines;
    let rig: Rig;
    let apiPort: number;

    before(() => (machines = Machines.create(NAMES.length)));
    after(() => machines.remove());
    beforeEach(async () => {
      rig = await Rig.create(binary);
      apiPort = await freePort();
      for (const name of NAMES) await add(name);
    });
    afterEach(async function () {
      await rig.stop(this.currentTest);
    });

    const add = (name: (typeof NAMES)[number]) =>
      rig.addServer(name, {}, apiPort, machines.at(NAMES.indexOf(name)));
    const at = (name: string): string => rig.server(name).backend.address;
    const slice = (...names: string[]): Promise<void> => rig.setSlice(names.map(at));
    const named = (states: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(states).map(([name, state]) => [at(name), state]));
    const metric = async (text: string): Promise<boolean> =>
      (await rig.health("/updater/metrics")).body.includes(text);

    /** Both objects name m1 and m2; the mounted ConfigMap, too. */
    const start = async (discovery: DiscoveryMode, retainSeconds = 3600): Promise<void> => {
      rig.writeSettings({ discovery, retainSeconds });
      await rig.publish(rig.data("m1", "m2"));
      await slice("m1", "m2");
      await rig.prepare();
      await rig.startHaproxy();
      await rig.startUpdater();
      await rig.ready("m1", "m2");
    };

    it("adds an API server of the slice without a reload", async () => {
      await start("endpoints");
      const { pid } = await rig.runtime.snapshot();
      await rig.states(named({ m1: "ready", m2: "ready" }));
      const watch = await rig.watch("m1");
      await slice("m1", "m2", "m3");
      await rig.states(named({ m1: "ready", m2: "ready", m3: "ready" }));
      await waitFor("m3 serves", async () => (await rig.ask()) === "m3");
      assert.equal((await rig.status()).discovery, "endpoints");
      assert.deepEqual(await rig.master.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      await waitFor("all of them in the file", () => {
        const config = readFileSync(rig.settings.configFile, "utf8");
        return NAMES.every((name) => config.includes(rig.server(name).address));
      });
      // It may read nothing but the slice.
      const reports = await Promise.all(NAMES.map((name) => rig.server(name).report()));
      const asked = new Set(reports.flatMap(({ requests }) => requests));
      assert.deepEqual(
        [...asked].filter((path) => path.startsWith("/api/")),
        [],
      );
    });

    it("keeps a crashed API server as a backend that is down until it is back", async () => {
      await start("endpoints");
      await slice("m1", "m2", "m3");
      await rig.ready("m1", "m2", "m3");
      await rig.server("m2").kill();
      rig.servers.delete("m2");
      const m2 = { address: machines.at(1).address };
      await slice("m1", "m3");
      const states = { [at("m1")]: "ready", [m2.address]: "down", [at("m3")]: "ready" };
      await rig.states(states);
      for (let i = 0; i < 20; i++) assert.match(await rig.ask(), /m[13]/);
      const { outOfSlice } = await rig.status();
      assert.deepEqual(
        outOfSlice.map(({ name }) => name),
        [m2.address],
      );
      assert.ok(await metric("out_of_slice_backends 1"));
      // A restarted updater still has it.
      await rig.killUpdater();
      await rig.startUpdater();
      await waitFor("the slice was seen", () => metric("out_of_slice_backends 1"));
      await rig.states(states);
      await add("m2");
      await waitFor(
        "m2 serves, though no slice has it yet",
        async () => (await rig.ask()) === "m2",
      );
    });

    it("drains an API server whose retention is over", async () => {
      await start("endpoints", 2);
      const watch = await rig.watch("m2");
      await slice("m1", "m3");
      await waitFor("it is out of the slice", () => metric("out_of_slice_backends 1"));
      await rig.ready("m1", "m2", "m3");
      assert.ok(watch.open);
      await rig.ready("m1", "m3");
      await waitFor("its sessions are cut after the drain", () => watch.closedAt);
      await rig.states(named({ m1: "ready", m3: "ready" }));
    });

    it("changes nothing for an API server whose lease comes and goes", async () => {
      await start("endpoints");
      const watch = await rig.watch("m2");
      for (let i = 0; i < 20; i++) {
        await slice(...(i % 2 === 0 ? ["m1"] : ["m1", "m2"]));
        await sleep(60);
      }
      await rig.states(named({ m1: "ready", m2: "ready" }));
      await waitFor("the last change", async () => {
        return (await rig.status()).outOfSlice.length === 0;
      });
      assert.ok(watch.open);
      watch.close();
      assert.ok(!rig.log("updater").includes("changed HAProxy"));
    });

    it("keeps the backends of an empty or deleted slice, and reports the problem", async () => {
      await start("endpoints", 1);
      await rig.states(named({ m1: "ready", m2: "ready" }));
      const file = () => readFileSync(rig.settings.configFile, "utf8");
      // HAProxy has the change first, then the file.
      await waitFor("the slice's names in the file", () => file().includes(`# ${at("m1")}`));
      const before = file();
      await rig.setSlice([]);
      const problems = async () => (await rig.status()).problems.join();
      await waitFor("the problem", async () => /NoBackends.*no ready/.test(await problems()));
      // Longer than the retention, with bookmarks from the API servers.
      await sleep(2500);
      await rig.setSlice(null);
      await waitFor("the problem", async () => /NoBackends.*not exist/.test(await problems()));
      await rig.ready("m1", "m2");
      assert.equal(file(), before);
      await waitFor("an Event", async () => (await rig.events()).includes("NoBackends"));
      await slice("m3");
      await rig.states(named({ m3: "ready" }));
      assert.equal(await problems(), "");
    });

    it("adds a backend of either source, and removes one that is in neither", async () => {
      await start("both", 1);
      await rig.states({ m1: "ready", m2: "ready" });
      await slice("m1", "m3");
      await rig.states({ m1: "ready", m2: "ready", [at("m3")]: "ready" });
      await rig.setConfigMap(rig.data("m2", "m3"));
      await rig.states({ [at("m1")]: "ready", m2: "ready", m3: "ready" });
      await rig.setConfigMap(rig.data("m3"));
      await rig.states({ [at("m1")]: "ready", m3: "ready" });
    });
  });
}
