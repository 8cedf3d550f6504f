import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { makeCertificates, makeIntermediateCa, type Certificates } from "./support/certificates";
import { timeUntilClosed } from "./support/client";
import { BINARIES, Rig } from "./support/rig";
import { waitFor } from "./support/wait";

for (const binary of BINARIES) {
  describe(`checks that fail while API servers serve, with HAProxy ${binary.version}`, function () {
    this.timeout(180_000);
    let rig: Rig;
    let folder: string;
    let next: Certificates;

    before(() => (next = makeCertificates((folder = mkdtempSync(join(tmpdir(), "next-ca-"))))));
    after(() => rmSync(folder, { recursive: true }));
    afterEach(async function () {
      await rig.stop(this.currentTest);
    });

    const create = async (changes: Parameters<typeof Rig.create>[1] = {}): Promise<void> => {
      rig = await Rig.create(binary, changes);
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
    };
    const workerPid = async (): Promise<number> => (await rig.runtime.snapshot()).pid;
    /** As kubelet and `up` do. */
    const replace = (file: string, ...certificates: string[]): void => {
      writeFileSync(`${file}.next`, certificates.join(""));
      renameSync(`${file}.next`, file);
    };
    const pem = (file: string): string => readFileSync(file, "utf8");

    it("hands connections to servers that accept them, reports that, and recovers by a reload", async () => {
      const caFile = join(mkdtempSync(join(folder, "wrong-")), "ca.crt");
      replace(caFile, pem(next.caFile));
      await create({ caFile });
      await rig.publish(rig.data("m1", "m2", "m3"));
      await rig.prepare();
      await rig.startHaproxy();
      const load = rig.load(10);
      await rig.startUpdater();
      await rig.states({ m1: "down", m2: "down", m3: "down" });
      await waitFor("the problem", async () =>
        /^NoCheckPasses: .*L6RSP.*go unchecked/.test((await rig.status()).problems.join()),
      );
      await waitFor("the Event", async () => (await rig.events()).includes("NoCheckPasses"));
      assert.match(
        (await rig.health("/updater/metrics")).body,
        /_problems\{reason="NoCheckPasses"\} 1/,
      );
      const names = new Set<string>();
      for (let i = 0; i < 60; i++) names.add(await rig.ask());
      assert.deepEqual(names, new Set(["m1", "m2", "m3"]));
      const watch = await rig.watch("m2");
      // One of them goes away: the others take its connections.
      await rig.server("m1").order({ listening: false });
      for (let i = 0; i < 40; i++) assert.match(await rig.ask(), /m[23]/);
      await rig.server("m1").order({ listening: true });
      replace(caFile, pem(rig.caFile));
      await rig.ready("m1", "m2", "m3");
      await load.stop();
      assert.deepEqual(load.failures, []);
      await waitFor("no problem", async () => (await rig.status()).problems.length === 0);
      assert.ok(watch.open);
      watch.close();
    });

    it("lose no connection that waits through a reload for its first byte", async () => {
      const caFile = join(mkdtempSync(join(folder, "wrong-")), "ca.crt");
      replace(caFile, pem(next.caFile));
      await create({ caFile });
      await rig.startAllUnchecked("m1", "m2", "m3");
      await rig.states({ m1: "down", m2: "down", m3: "down" });
      const pid = await workerPid();
      const socket = connect({ host: "127.0.0.1", port: rig.port });
      await once(socket, "connect");
      replace(caFile, pem(rig.caFile));
      await waitFor("a new worker", async () => (await workerPid()) !== pid);
      const tls = connectTls({ socket, ca: pem(rig.caFile), servername: "kubernetes" });
      await once(tls, "secureConnect");
      assert.ok(tls.authorized);
      tls.destroy();
    });

    it("name an intermediate CA without its root, and pass once that is appended", async () => {
      const chain = makeIntermediateCa(mkdtempSync(join(folder, "chain-")));
      const caFile = join(mkdtempSync(join(folder, "wrong-")), "ca.crt");
      replace(caFile, chain.intermediate);
      rig = await Rig.create(binary, { caFile });
      await rig.controlPlane.add("m1", {}, undefined, undefined, { ...chain, caFile });
      rig.writeSettings({ apiCaFile: caFile, prepareWaitSeconds: 0 });
      writeFileSync(rig.caFile, `${chain.intermediate}${chain.root}`);
      await rig.publish(rig.data("m1"));
      await rig.prepare();
      await rig.startHaproxy();
      rig.runUpdater();
      await waitFor("the problem", async () =>
        /NoCheckPasses: .*test-intermediate.* is signed by .*test-root.*Append the root/.test(
          (await rig.status()).problems.join(),
        ),
      );
      assert.equal(await rig.ask(), "m1");
      replace(caFile, chain.intermediate, chain.root);
      await rig.ready("m1");
      await waitFor("it is in touch", async () => (await rig.status()).lastSyncSeconds !== null);
    });

    it("closes connections within 100 ms once no server accepts them any more", async () => {
      await create({ caFile: next.caFile });
      await rig.startAllUnchecked("m1", "m2", "m3");
      assert.match(await rig.ask(), /m[123]/);
      for (const server of rig.servers.values()) await server.kill();
      await waitFor("none is up", async () =>
        (await rig.runtime.stats()).every(({ status }) => !status.startsWith("UP")),
      );
      const times = [];
      for (let i = 0; i < 10; i++) times.push(await timeUntilClosed(rig.port));
      assert.ok(Math.min(...times) < 100, times.join(" "));
    });

    it("let prepare wait while the forward serves, and start HAProxy when it does not", async () => {
      await create();
      const { address: localAddress, port: apiPort } = rig.server("m1").backend;
      const place = { localAddress, apiPort, prepareWaitSeconds: 1 };
      rig.writeSettings({ ...place, apiCaFile: next.caFile });
      await rig.publish(rig.data("m1", "m2"));
      let isPrepared = false;
      const prepared = rig.prepare().then(() => (isPrepared = true));
      await waitFor("the log line", () => rig.log("updater").includes("the forward serves until"));
      assert.equal(isPrepared, false);
      await rig.server("m1").kill();
      await prepared;
      await rig.startHaproxy();
      assert.equal(await rig.ask(), "m2");
    });

    it("let prepare wait for a ConfigMap with a server that answers, and for its CA", async () => {
      await create();
      const apiCaFile = join(mkdtempSync(join(folder, "wrong-")), "ca.crt");
      replace(apiCaFile, pem(next.caFile));
      const { address: localAddress, port: apiPort } = rig.server("m1").backend;
      rig.writeSettings({ prepareWaitSeconds: 1, apiCaFile, localAddress, apiPort });
      await rig.publish({ m1: `${rig.server("m1").backend.address}:9` });
      const prepared = rig.prepare();
      await waitFor("the log line", () => rig.log("updater").includes("the forward serves until"));
      await rig.publish(rig.data("m1", "m2"));
      replace(apiCaFile, pem(rig.caFile));
      await prepared;
      await rig.startHaproxy();
      assert.match(await rig.ask(), /m[12]/);
    });

    it("cut no session while no other server answers, as when the load balancer itself is cut off", async () => {
      await create();
      await rig.startAll("m1", "m2", "m3");
      const watches = [await rig.watch("m1"), await rig.watch("m2"), await rig.watch("m3")];
      for (const server of rig.servers.values()) server.hang();
      await waitFor("all hang for longer than the grace period", async () => {
        const alive = (await rig.runtime.stats()).filter(
          ({ pool, status }) => pool === "alive" && status !== "MAINT",
        );
        return alive.every(
          ({ status, sinceSeconds }) => status.startsWith("DOWN") && sinceSeconds >= 5,
        );
      });
      for (const server of rig.servers.values()) server.resume();
      await rig.ready("m1", "m2", "m3");
      for (const watch of watches) {
        assert.ok(watch.open);
        watch.close();
      }
      assert.equal(await rig.metric("sessions_cut_total"), 0);
    });

    it("never come: a CA bundle is loaded before the API servers change, one by one, without a lost request", async () => {
      await create();
      await rig.startAll("m1", "m2", "m3");
      const pid = await workerPid();
      const load = rig.load(10);
      replace(rig.caFile, pem(rig.caFile), pem(next.caFile));
      const fresh = await waitFor("a new worker", async () => {
        const now = await workerPid();
        return now !== pid && now;
      });
      await rig.ready("m1", "m2", "m3");
      for (const name of ["m1", "m2", "m3"]) {
        await rig.controlPlane.renew(name, next, () => rig.isOut(name));
        await rig.ready("m1", "m2", "m3");
      }
      replace(rig.caFile, pem(next.caFile));
      await waitFor("another worker", async () => (await workerPid()) !== fresh);
      await rig.ready("m1", "m2", "m3");
      await rig.states({ m1: "ready", m2: "ready", m3: "ready" });
      await load.stop();
      assert.deepEqual(load.failures, []);
      await waitFor("two reloads", async () => (await rig.metric("reloads_total")) === 2);
      assert.deepEqual((await rig.status()).problems, []);
    });

    it("stay as they are while the CA file holds no certificate, which is reported", async () => {
      await create();
      rig.writeSettings({ checkCommand: [...binary.command, "-c", "-f"] });
      await rig.startAll("m1", "m2", "m3");
      const pid = await workerPid();
      const good = pem(rig.caFile);
      replace(rig.caFile, "nonsense\n");
      await waitFor("the problem", async () =>
        /ConfigurationNotWritten|ReloadFailed/.test((await rig.status()).problems.join()),
      );
      assert.equal(await workerPid(), pid);
      await rig.ready("m1", "m2", "m3");
      replace(rig.caFile, good);
      await waitFor("no problem", async () => (await rig.status()).problems.length === 0);
      assert.match(await rig.ask(), /m[123]/);
    });
  });
}
