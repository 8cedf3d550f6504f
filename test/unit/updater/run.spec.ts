import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HaproxyController } from "../../../updater/apply/haproxy-controller";
import { exitCode, parseAnswers } from "../../../status/report";
import { createLog } from "../../../updater/report/log";
import type { UpdaterStatus } from "../../../updater/report/status-server";
import { run } from "../../../updater/run";
import { makeCertificates, type Certificates } from "../../haproxy/support/certificates";
import { waitFor } from "../../haproxy/support/wait";
import { answers } from "../status/answers";
import { exampleSettings } from "./example-settings";

/** The ConfigMap's data; null: there is no ConfigMap. */
type Data = Record<string, string> | null;

describe("the running updater", function () {
  this.timeout(60_000);
  let folder: string;
  let certificates: Certificates;
  let api: Server;
  let data: Data;
  let events: string[];
  let lines: string[];
  let stop: AbortController;
  let running: Promise<void>;

  before(() => (certificates = makeCertificates((folder = mkdtempSync(join(tmpdir(), "run-"))))));
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    [events, lines, stop] = [[], [], new AbortController()];
    api = createServer({ cert: certificates.cert, key: certificates.key }, (request, response) => {
      const url = new URL(request.url ?? "/", "https://kubernetes");
      if (request.method === "POST") {
        request.on("data", (chunk: Buffer) => events.push(chunk.toString()));
        request.on("end", () => response.writeHead(201).end("{}"));
      } else if (url.searchParams.has("watch")) {
        response.writeHead(200).end();
      } else {
        const object = { metadata: { resourceVersion: "7", uid: "u1" }, data: data ?? {} };
        const items = data === null ? [] : [object];
        response.end(JSON.stringify({ metadata: { resourceVersion: "7" }, items }));
      }
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    writeFileSync(join(folder, "token"), "secret-token");
  });
  afterEach(async () => {
    stop.abort();
    await running;
    api.closeAllConnections();
    await new Promise((resolve) => api.close(resolve));
  });

  const start = (content: Data): void => {
    data = content;
    const apiPort = (api.address() as AddressInfo).port;
    const settings = exampleSettings(folder, { apiPort, apiCaFile: certificates.caFile });
    const log = createLog((line) => lines.push(line));
    running = run(settings, log, stop.signal, { tickMs: 100, retryMs: 100 });
  };
  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ socketPath: join(folder, "updater.sock"), path, agent: false }, (answer) => {
        let body = "";
        answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
        answer.on("end", () => resolve(body));
      }).on("error", reject);
    });
  const statusOf = async (): Promise<UpdaterStatus> =>
    JSON.parse(await ask("/status")) as UpdaterStatus;
  const synced = (): Promise<unknown> =>
    waitFor("an API server answered", async () => (await statusOf()).lastSyncSeconds !== null);
  /** What `npm run status` makes of it. */
  const operatorSees = async () =>
    parseAnswers(
      { name: "m1", address: "10.77.0.11" },
      { ports: { lb: 6444, health: 6445 }, updater: true },
      answers({ updater: await ask("/status") }),
    );

  for (const [name, content, text] of [
    ["all keys of the ConfigMap are deleted", {}, /NoBackends: .* has no valid entry/],
    ["the ConfigMap is deleted", null, /NoBackends: .* does not exist/],
    ["an entry is refused", { m1: "nonsense" }, /BackendRefused: m1: "nonsense": expected/],
  ] as const) {
    it(`names the problem in /status and fails npm run status when ${name}`, async () => {
      start(content);
      await synced();
      await waitFor("an Event", () => events.length > 0);
      assert.match((await statusOf()).problems.join("\n"), text);
      const host = await operatorSees();
      assert.match(host.problems.join("\n"), text);
      assert.equal(exitCode([host]), 1);
    });
  }

  it("is live, and not ready while HAProxy does not answer", async () => {
    start({ m1: "10.0.0.1:6443" });
    await synced();
    assert.equal(await ask("/live"), "ok\n");
    assert.equal(await ask("/ready"), "HAProxy does not answer\n");
  });

  it("applies the backends again when that failed in an unforeseen way", async () => {
    const broken = { apply: () => Promise.reject(new Error("out of handles")) };
    const working = Object.getOwnPropertyDescriptors(HaproxyController.prototype);
    Object.assign(HaproxyController.prototype, broken);
    try {
      start({ m1: "10.0.0.1:6443" });
      await synced();
      await waitFor("a problem", async () => (await statusOf()).problems.length > 0);
      assert.match((await statusOf()).problems.join(), /^BackendsNotApplied: .*out of handles$/);
    } finally {
      Object.defineProperty(HaproxyController.prototype, "apply", working.apply);
    }
    await waitFor("the backends", async () => (await statusOf()).revision === "7");
    await waitFor("no problem", async () => (await statusOf()).problems.length === 0);
  });
});
