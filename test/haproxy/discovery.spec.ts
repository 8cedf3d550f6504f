import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { DiscoveryMode } from "../../updater/settings";
import { BINARIES, Bench } from "./support/bench";
import { Machines } from "./support/machines";
import { freePort } from "./support/network";
import { sleep, waitFor } from "./support/wait";

const NAMES = ["m1", "m2", "m3"] as const;

for (const binary of BINARIES) {
  describe(`HAProxy ${binary.version} with the API's own endpoints`, function () {
    this.timeout(180_000);
    let machines: Machines;
    let bench: Bench;
    let apiPort: number;

    before(() => (machines = Machines.create(NAMES.length)));
    after(() => machines.remove());
    beforeEach(async () => {
      bench = await Bench.create(binary);
      apiPort = await freePort();
      for (const name of NAMES) await add(name);
    });
    afterEach(async function () {
      await bench.stop(this.currentTest);
    });

    const add = (name: (typeof NAMES)[number]) =>
      bench.addServer(name, {}, apiPort, machines.at(NAMES.indexOf(name)));
    const at = (name: string): string => bench.server(name).backend.address;
    const slice = (...names: string[]): Promise<void> => bench.setSlice(names.map(at));
    const named = (states: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(states).map(([name, state]) => [at(name), state]));
    const metric = async (text: string): Promise<boolean> =>
      (await bench.health("/updater/metrics")).body.includes(text);

    /** Both objects name m1 and m2; the mounted ConfigMap, too. */
    const start = async (discovery: DiscoveryMode, retainSeconds = 3600): Promise<void> => {
      bench.writeSettings({ discovery, retainSeconds });
      await bench.publish(bench.data("m1", "m2"));
      await slice("m1", "m2");
      await bench.prepare();
      await bench.startHaproxy();
      await bench.startUpdater();
      await bench.ready("m1", "m2");
    };

    it("follows the slice: a new API server serves, with one process and no reload", async () => {
      await start("endpoints");
      const { pid } = await bench.runtime.snapshot();
      await bench.states(named({ m1: "ready", m2: "ready" }));
      const watch = await bench.watch("m1");
      await slice("m1", "m2", "m3");
      await bench.states(named({ m1: "ready", m2: "ready", m3: "ready" }));
      await waitFor("m3 serves", async () => (await bench.ask()) === "m3");
      assert.equal((await bench.status()).discovery, "endpoints");
      assert.deepEqual(await bench.controlPlaneNode.workers(), [pid]);
      assert.ok(watch.open);
      watch.close();
      await waitFor("all of them in the file", () => {
        const config = readFileSync(bench.settings.configFile, "utf8");
        return NAMES.every((name) => config.includes(bench.server(name).address));
      });
      // It has no right to anything but the slice.
      const reports = await Promise.all(NAMES.map((name) => bench.server(name).report()));
      const asked = new Set(reports.flatMap(({ requests }) => requests));
      assert.deepEqual(
        [...asked].filter((path) => path.startsWith("/api/")),
        [],
      );
    });

    it("keeps an API server that crashed: no traffic while it is dead, and traffic when it is back", async () => {
      await start("endpoints");
      await slice("m1", "m2", "m3");
      await bench.ready("m1", "m2", "m3");
      await bench.server("m2").kill();
      bench.servers.delete("m2");
      const m2 = { address: machines.at(1).address };
      await slice("m1", "m3");
      const states = { [at("m1")]: "ready", [m2.address]: "down", [at("m3")]: "ready" };
      await bench.states(states);
      for (let i = 0; i < 20; i++) assert.match(await bench.ask(), /m[13]/);
      const { outOfSlice } = await bench.status();
      assert.deepEqual(
        outOfSlice.map(({ name }) => name),
        [m2.address],
      );
      assert.ok(await metric("out_of_slice_backends 1"));
      // A restart of the updater does not forget it.
      await bench.killUpdater();
      await bench.startUpdater();
      await waitFor("the slice was seen", () => metric("out_of_slice_backends 1"));
      await bench.states(states);
      await add("m2");
      await waitFor(
        "m2 serves, though no slice has it yet",
        async () => (await bench.ask()) === "m2",
      );
    });

    it("lets an API server go that is out of the slice for good: drained first", async () => {
      await start("endpoints", 2);
      const watch = await bench.watch("m2");
      await slice("m1", "m3");
      await waitFor("it is out of the slice", () => metric("out_of_slice_backends 1"));
      await bench.ready("m1", "m2", "m3");
      assert.ok(watch.open);
      await bench.ready("m1", "m3");
      await waitFor("its sessions are cut after the drain", () => watch.closedAt);
      await bench.states(named({ m1: "ready", m3: "ready" }));
    });

    it("feels nothing of an API server whose lease comes and goes", async () => {
      await start("endpoints");
      const watch = await bench.watch("m2");
      for (let i = 0; i < 20; i++) {
        await slice(...(i % 2 === 0 ? ["m1"] : ["m1", "m2"]));
        await sleep(60);
      }
      await bench.states(named({ m1: "ready", m2: "ready" }));
      await waitFor("the last change", async () => {
        return (await bench.status()).outOfSlice.length === 0;
      });
      assert.ok(watch.open);
      watch.close();
      assert.ok(!bench.log("updater").includes("told HAProxy"));
    });

    it("never becomes empty with the slice, and says so", async () => {
      await start("endpoints", 1);
      await bench.states(named({ m1: "ready", m2: "ready" }));
      const file = () => readFileSync(bench.settings.configFile, "utf8");
      // written after HAProxy has the changes
      await waitFor("the slice's names in the file", () => file().includes(`# ${at("m1")}`));
      const before = file();
      await bench.setSlice([]);
      await waitFor("it is said", () => bench.log("updater").includes("has no ready endpoint"));
      // Longer than the time after which it forgets, with bookmarks all the while.
      await sleep(2500);
      await bench.setSlice(null);
      await waitFor("it is said", () => bench.log("updater").includes("does not exist"));
      await bench.ready("m1", "m2");
      assert.equal(file(), before);
      await waitFor("an Event", async () => (await bench.events()).includes("NoBackends"));
      await slice("m3");
      await bench.states(named({ m3: "ready" }));
    });

    it("serves by both sources: either adds a server, and only both together take one away", async () => {
      await start("both", 1);
      await bench.states({ m1: "ready", m2: "ready" });
      await slice("m1", "m3");
      await bench.states({ m1: "ready", m2: "ready", [at("m3")]: "ready" });
      await bench.setConfigMap(bench.data("m2", "m3"));
      await bench.states({ [at("m1")]: "ready", m2: "ready", m3: "ready" });
      await bench.setConfigMap(bench.data("m3"));
      await bench.states({ [at("m1")]: "ready", m3: "ready" });
    });
  });
}
