import { HAPROXY_DEFAULTS } from "../support/haproxy-defaults";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeCertificates } from "./support/certificates";
import { BINARIES, Rig } from "./support/rig";
import { MountedPod, type Shell } from "./support/mounted";
import { sleep, waitFor } from "./support/wait";

/** As in Debian's images. */
const DASH: Shell = {
  name: "dash",
  command: ["/bin/dash"],
  path: () => "/usr/sbin:/usr/bin:/sbin:/bin",
  perl: true,
};
/** As in Alpine's images: busybox and nothing else. */
const ASH: Shell = {
  name: "busybox ash",
  command: ["/bin/busybox", "sh"],
  path: (folder) => {
    const tools = join(folder, "busybox");
    if (!existsSync(tools)) {
      mkdirSync(tools);
      execFileSync("/bin/busybox", ["--install", "-s", tools]);
    }
    return tools;
  },
  perl: false,
};

const VARIANTS = [
  ...BINARIES.map((binary) => ({ binary, shell: DASH })),
  ...BINARIES.slice(-1).map((binary) => ({ binary, shell: ASH })),
];

for (const { binary, shell } of VARIANTS) {
  describe(`HAProxy ${binary.version} with a mounted configuration, under ${shell.name}`, function () {
    this.timeout(180_000);
    let rig: Rig;
    let pod: MountedPod;

    beforeEach(async () => {
      rig = await Rig.create(binary, {
        checks: { ...HAPROXY_DEFAULTS.checks, slowStartMs: 1000 },
      });
      for (const name of ["m1", "m2", "m3"]) await rig.addServer(name);
      pod = new MountedPod(rig, binary, shell);
    });
    afterEach(async function () {
      if (this.currentTest?.state === "failed") console.error(pod.output);
      await pod.kill();
      await rig.stop();
    });

    const lastGood = (): string => readFileSync(pod.configFile, "utf8");
    const refusals = (): string[] => pod.lines.filter((line) => line.includes(" is refused"));
    const start = async (...names: string[]): Promise<void> => {
      pod.mount(pod.config(...names));
      await pod.start();
      await pod.ready(...names);
    };

    it("loads a change without a failed or broken connection", async () => {
      await start("m1", "m2");
      const watch = await rig.watch("m1");
      const load = rig.load(5);
      const served = (more: number): Promise<true> => {
        const then = load.answers.length;
        return waitFor(`${more} connections`, () => load.answers.length >= then + more);
      };
      const former = await pod.worker();
      await served(20);
      pod.mount(pod.config("m1", "m3"));
      await pod.ready("m1", "m3");
      await waitFor("m3 serves", async () => (await rig.ask()) === "m3");
      assert.notEqual(await pod.worker(), former);
      await served(20);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.ok(watch.open);
      watch.close();
      assert.equal(lastGood(), pod.config("m1", "m3"));
    });

    it("does not reload for an equal file", async () => {
      await start("m1", "m2");
      const worker = await pod.worker();
      pod.mount(pod.config("m1", "m2"));
      pod.mount("global\n");
      await waitFor("the other one is refused", () => refusals()[0]);
      pod.mount(pod.config("m1", "m2"));
      await sleep(2500);
      assert.equal(await pod.worker(), worker);
    });

    const bad: [string, (good: string) => string | undefined, RegExp][] = [
      [
        "that HAProxy refuses",
        (good) => good.replace("retries 3", "retries 3\n  nonsense here"),
        /haproxy -c ends with 1: .*unknown keyword 'nonsense'/,
      ],
      ["that is empty", () => "", /it is empty/],
      ["that is gone", () => undefined, /it is empty/],
      [
        "that was cut off between two lines",
        (good) => good.slice(0, good.indexOf("frontend health")),
        /it is not whole/,
      ],
    ];
    for (const [title, spoil, reason] of bad) {
      it(`refuses a file ${title} with one log line, and loads the next valid one`, async () => {
        await start("m1", "m2");
        const [before, worker] = [lastGood(), await pod.worker()];
        pod.mount(spoil(pod.config("m3")));
        await waitFor("the log line", () => refusals()[0]);
        await sleep(2500);
        assert.equal(refusals().length, 1, pod.output);
        assert.match(refusals()[0] ?? "", /the key haproxy\.cfg is refused/);
        assert.match(refusals()[0] ?? "", reason);
        assert.equal(lastGood(), before);
        assert.equal(await pod.worker(), worker);
        assert.match(await rig.ask(), /m[12]/);
        pod.mount(pod.config("m3"));
        await pod.ready("m3");
        assert.equal(refusals().length, 1, pod.output);
      });
    }

    it("loads a CA bundle before the API servers change, one by one, without a lost request", async () => {
      const next = makeCertificates(mkdtempSync(join(rig.folder, "next-ca-")));
      await start("m1", "m2");
      const former = await pod.worker();
      const load = rig.load(10);
      const bundle = [rig.caFile, next.caFile].map((file) => readFileSync(file, "utf8"));
      writeFileSync(`${rig.caFile}.next`, bundle.join(""));
      renameSync(`${rig.caFile}.next`, rig.caFile);
      await waitFor("the log line", () => pod.lines.at(-1)?.includes("changed CA certificates"));
      assert.notEqual(await pod.worker(), former);
      await pod.ready("m1", "m2");
      for (const name of ["m1", "m2"]) {
        const others = ["m1", "m2"].filter((it) => it !== name);
        await rig.controlPlane.renew(name, next, () => pod.ready(...others));
        await pod.ready("m1", "m2");
      }
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    it("keeps the former CA certificates when HAProxy refuses the changed ones, and says so once", async () => {
      await start("m1", "m2");
      const former = await pod.worker();
      const good = readFileSync(rig.caFile, "utf8");
      writeFileSync(rig.caFile, "nonsense");
      await waitFor("the log line", () => pod.lines.at(-1)?.includes("certificates are refused"));
      writeFileSync(rig.caFile, good);
      await pod.ready("m1", "m2");
      pod.mount(pod.config("m3"));
      await pod.ready("m3");
      assert.notEqual(await pod.worker(), former);
      assert.equal(pod.lines.filter((line) => line.includes("certificates are refused")).length, 1);
    });

    it("starts with the last good file when the mounted one is invalid after a power cut", async () => {
      await start("m1", "m2");
      const before = lastGood();
      pod.mount(`${pod.config("m3")}nonsense\n`);
      await waitFor("the refusal", () => refusals()[0]);
      await pod.kill();
      await pod.start();
      assert.equal(refusals().length, 1, pod.output);
      assert.equal(lastGood(), before);
      await pod.ready("m1", "m2");
      assert.match(await rig.ask(), /m[12]/);
    });

    it("starts with a file that changed while HAProxy was down", async () => {
      await start("m1", "m2");
      await pod.kill();
      pod.mount(pod.config("m3"));
      await pod.start();
      assert.equal(await rig.ask(), "m3");
    });

    it("does not start with an invalid file and no last good one", async () => {
      pod.mount(pod.config("m1").replace("connect 700ms", "connect soon"));
      pod.run();
      assert.equal(await pod.end(), 1);
      assert.match(pod.output, /is refused.*timeout/);
      assert.match(pod.lines.at(-1) ?? "", /no good configuration to start with/);
      assert.equal(existsSync(pod.configFile), false);
      await assert.rejects(rig.ask(), /ECONNREFUSED/);
    });

    // busybox may use its own tools instead of those on the PATH.
    const cuts: [string, string, string][] = !shell.perl
      ? []
      : [
          ["half of the copy is written", "cp", 'head -c 300 "$1" >"$2"'],
          ["the copy waits for the disk", "sync", ":"],
        ];
    for (const [title, tool, half] of cuts) {
      it(`keeps a whole last good file when it is killed while ${title}`, async () => {
        pod.makeCuttable(tool, half);
        await start("m1", "m2");
        const before = lastGood();
        pod.cut();
        pod.mount(pod.config("m3"));
        await pod.hangs();
        assert.match(await rig.ask(), /m[12]/);
        pod.mount(`${pod.config("m3")}nonsense\n`);
        await pod.kill();
        assert.equal(lastGood(), before);
        pod.repair();
        await pod.start();
        assert.equal(lastGood(), before);
        assert.match(await rig.ask(), /m[12]/);
      });
    }

    if (shell.perl) {
      it("restores the previous file when HAProxy cannot start with one that passed the check", async () => {
        await start("m1", "m2");
        const [before, worker] = [lastGood(), await pod.worker()];
        // Another process has this port: only a start detects that.
        const { healthPort } = rig.settings.haproxy;
        const taken = (config: string): string =>
          config.replace(`bind "\${HOST_IP}:${healthPort}"`, `bind ${rig.server("m1").address}`);
        pod.mount(taken(pod.config("m3")));
        await waitFor("the log line", () => refusals()[0]);
        assert.match(refusals()[0] ?? "", /does not start with it/);
        assert.equal(lastGood(), before);
        assert.equal(await pod.worker(), worker);
        assert.match(await rig.ask(), /m[12]/);
        await pod.kill();
        // The same after a restart, with a change from while HAProxy was down.
        await pod.start();
        assert.equal(lastGood(), before);
        await pod.kill();
        pod.mount(taken(pod.config("m2")));
        pod.run();
        assert.notEqual(await pod.end(), 0);
        assert.match(refusals()[0] ?? "", /does not start with it/);
        await pod.start();
        assert.equal(lastGood(), before);
        assert.match(await rig.ask(), /m[12]/);
      });

      it("sends nothing after a reload to servers that were not ready before it", async () => {
        await start("m1", "m2");
        await rig.server("m2").order({ readyz: 500 });
        await pod.ready("m1");
        const reached = (await rig.server("m2").report()).requests.length;
        const former = await pod.worker();
        pod.mount(pod.config("m1", "m2", "m3"));
        await waitFor("a new worker", async () => (await pod.worker()) !== former);
        for (let i = 0; i < 60; i++) assert.match(await rig.ask(), /m[13]/);
        const requests = (await rig.server("m2").report()).requests.slice(reached);
        assert.deepEqual(requests, []);
      });
    } else {
      it("logs that health is unknown after a reload", async () => {
        await start("m1", "m2");
        pod.mount(pod.config("m1"));
        await waitFor("the log line", () => pod.lines.at(-1)?.includes("until their first check"));
        await pod.ready("m1");
      });
    }

    it("stops softly on SIGUSR1: open connections end by themselves", async () => {
      await start("m1", "m2");
      const watch = await rig.watch("m1");
      await pod.signal("SIGUSR1");
      await waitFor("nothing listens", () =>
        rig.ask().then(
          () => false,
          (error: Error) => /ECONNREFUSED/.test(error.message),
        ),
      );
      // A change now must not restart it.
      pod.mount(pod.config("m3"));
      await sleep(2000);
      await assert.rejects(rig.ask(), /ECONNREFUSED/);
      assert.ok(watch.open);
      assert.equal(pod.ended, undefined);
      watch.close();
      await pod.end();
    });

    it("ends on SIGTERM, and when HAProxy dies", async () => {
      await start("m1");
      await pod.signal("SIGTERM");
      await pod.end();
      await pod.start();
      const worker = execFileSync("/usr/bin/pgrep", ["-f", `haproxy .*-f ${pod.configFile}$`]);
      const [controlPlaneNode = 0] = worker.toString().trim().split("\n").map(Number);
      process.kill(controlPlaneNode, "SIGKILL");
      assert.notEqual(await pod.end(), 0);
    });
  });
}
