import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { startLoad, type Load } from "../../../../e2e/load/load";
import { FakeApi } from "./api";
import { kubeconfig } from "../../../support/certificates";
import { until } from "./until";

/** Few requests and a long deadline: the subject is the process. */
const few = (api: FakeApi) => ({
  endpoint: api.endpoint,
  newPerSecond: 5,
  keepAliveClients: 1,
  watches: 2,
  deadlineMs: 60_000,
});

describe("process of the load", () => {
  let api: FakeApi;
  let load: Load | undefined;

  beforeEach(async () => {
    api = await FakeApi.start();
  });

  afterEach(async () => {
    await load?.kill();
    load = undefined;
    await api.stop();
  });

  it("reports every phase from anonymous requests to the full load", async () => {
    load = startLoad({ ...few(api), firstPhase: "anonymous" });
    const first = await load.waitFirstAnswer(60_000);
    assert.ok(Math.abs(Date.now() - first) < 60_000);
    await load.setCredentials(kubeconfig("https://ignored"));
    await load.phase("full");
    await until("requests", async () => (await load!.current()).ok > 10);
    await load.markKill({ from: Date.now(), to: Date.now() });
    const report = await load.stop();
    assert.deepEqual(
      report.phases.map((phase) => [phase.name, phase.failed, phase.sent - phase.ok]),
      [
        ["anonymous", 0, 0],
        ["full", 0, 0],
      ],
    );
    assert.ok(report.generatorLag.maxMs >= report.generatorLag.p99Ms);
    assert.equal(await load.stop(), report);
    await assert.rejects(load.phases(), /has ended/);
  });

  it("rejects incomplete credentials with the name of the missing key", async () => {
    load = startLoad(few(api));
    await assert.rejects(load.setCredentials("{}"), /certificate-authority-data/);
  });

  it("rejects when no API server answers in time", async () => {
    api.fault = () => 503;
    load = startLoad(few(api));
    await assert.rejects(load.waitFirstAnswer(500), /no API server answered within 0.5 s/);
  });

  it("ends the load, with the reason, at the first request that would leave the lab", async () => {
    load = startLoad(few(api));
    await load.waitFirstAnswer(60_000);
    const elsewhere = { through: [{ host: "192.0.2.1", port: 6444 }], reconnect: true };
    await assert.rejects(load.phase("elsewhere", elsewhere), /the load has ended: 192\.0\.2\.1 /);
    await assert.rejects(load.report(), /the load has ended: 192\.0\.2\.1 /);
  });

  it("has no credential in its command line and ends when its parent is killed", async () => {
    const module = pathToFileURL(path.resolve(__dirname, "../../../../e2e/load/load.ts")).href;
    const options = JSON.stringify({
      ...few(api),
      kubeconfig: kubeconfig("https://ignored"),
    });
    // the parent of the load is a process that is killed; the credentials reach it by its
    // environment
    const script = `
      import(${JSON.stringify(module)}).then(({ startLoad }) => {
        const load = startLoad(JSON.parse(process.env.OPTIONS));
        load.waitFirstAnswer().then(() => console.log(load.child.pid));
      });`;
    const parent = spawn(process.execPath, ["--import", "tsx", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, OPTIONS: options },
    });
    try {
      let output = "";
      parent.stdout.on("data", (text: Buffer) => (output += text.toString()));
      await until("the load runs", () => output.includes("\n"));
      const pid = Number(output);
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      assert.match(commandLine, /worker\.ts/);
      assert.doesNotMatch(commandLine, /client-|BEGIN|endpoint/);
      parent.kill("SIGKILL");
      await until("the load has ended", () => !existsSync(`/proc/${pid}`));
    } finally {
      parent.kill("SIGKILL");
    }
  });
});
