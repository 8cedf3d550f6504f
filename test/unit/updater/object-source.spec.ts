import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventReporter } from "../../../updater/report/events";
import type { ApiServer, Trust } from "../../../updater/http";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { watchedConfigMap, type ConfigMap } from "../../../updater/sources/config-map";
import { ObjectSource } from "../../../updater/sources/object-source";
import type { SourceTimes } from "../../../updater/sources/source-times";
import { SyncState } from "../../../updater/sources/sync-state";
import { makeCertificates, type Certificates } from "../../haproxy/support/certificates";
import { waitFor } from "../../haproxy/support/wait";
import { exampleSettings } from "./example-settings";

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

const object = (revision: string, data: Record<string, string>) => ({
  metadata: { name: "haproxy-backends", uid: "u1", resourceVersion: revision },
  data,
});
const event = (type: string, it: object): string => `${JSON.stringify({ type, object: it })}\n`;

describe("ObjectSource", function () {
  this.timeout(120_000);
  let folder: string;
  let certificates: Certificates;
  let trust: Trust;
  const servers: Server[] = [];
  let observed: { revision: string; uid: string; data: ConfigMap["data"] | undefined }[];
  let lines: string[];
  let metrics: Metrics;
  let sync: SyncState;
  let stop: AbortController;
  let running: Promise<void>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "updater-source-"));
    certificates = makeCertificates(folder);
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => {
    trust = { ca: readFileSync(certificates.caFile, "utf8"), serverName: "kubernetes" };
    observed = [];
    lines = [];
    metrics = new Metrics();
    sync = new SyncState();
    stop = new AbortController();
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  const serve = (handler: Handler, tls: { cert: string; key: string } = certificates) =>
    new Promise<ApiServer>((resolve) => {
      const { cert, key } = tls;
      const server = createServer({ cert, key }, (request, response) =>
        handler(request, response, new URL(request.url ?? "/", "https://kubernetes")),
      );
      servers.push(server);
      server.listen(0, "127.0.0.1", () => {
        resolve({ address: "127.0.0.1", port: (server.address() as AddressInfo).port });
      });
    });
  const list = (response: ServerResponse, revision: string, ...items: object[]): void => {
    response.end(JSON.stringify({ metadata: { resourceVersion: revision }, items }));
  };
  const start = (
    apiServers: readonly ApiServer[],
    times: Partial<SourceTimes> = {},
    token = () => "secret-token",
  ): ObjectSource<ConfigMap> => {
    const source = new ObjectSource<ConfigMap>(
      { log: createLog((line) => lines.push(line)), metrics },
      { trust: () => trust, token, apiServers: () => apiServers, sync, times },
      {
        watched: watchedConfigMap("kube-system", "haproxy-backends"),
        onObserved: ({ revision, uid, object }) =>
          observed.push({ revision, uid, data: object?.data }),
      },
    );
    running = source.run(stop.signal);
    return source;
  };
  const revisions = (): string[] => observed.map(({ revision }) => revision);

  it("lists one ConfigMap, then watches it from there", async () => {
    const queries: string[] = [];
    const server = await serve((request, response, url) => {
      queries.push(`${url.pathname} ${[...url.searchParams].map(String).join(" ")}`);
      assert.equal(request.headers.authorization, "Bearer secret-token");
      if (!url.searchParams.has("watch")) return list(response, "10", object("8", { m1: "a" }));
      response.write(event("BOOKMARK", { metadata: { resourceVersion: "11" } }));
      response.write(event("MODIFIED", object("12", { m1: "b" })));
      // An event may come in pieces.
      const last = event("DELETED", object("13", {}));
      response.write(last.slice(0, 10));
      setTimeout(() => response.write(last.slice(10)), 20);
    });
    start([server]);
    await waitFor("three states", () => observed.length === 3);
    assert.deepEqual(observed, [
      { revision: "8", uid: "u1", data: { m1: "a" } },
      { revision: "12", uid: "u1", data: { m1: "b" } },
      { revision: "13", uid: "", data: undefined },
    ]);
    const path = "/api/v1/namespaces/kube-system/configmaps";
    assert.equal(queries[0], `${path} fieldSelector,metadata.name=haproxy-backends`);
    assert.match(
      queries[1] ?? "",
      /watch,1 allowWatchBookmarks,true resourceVersion,10 timeoutSeconds,/,
    );
    assert.ok(sync.seconds !== undefined);
  });

  it("watches again from the last revision after an orderly end", async () => {
    const asked: (string | null)[] = [];
    const server = await serve((_, response, url) => {
      asked.push(url.searchParams.get("resourceVersion"));
      if (!url.searchParams.has("watch")) return list(response, "10");
      response.writeHead(200);
      if (asked.length === 2) {
        response.end(event("BOOKMARK", { metadata: { resourceVersion: "20" } }));
      } else {
        response.flushHeaders();
      }
    });
    start([server]);
    await waitFor("the second watch", () => asked.length === 3);
    assert.deepEqual(asked, [null, "10", "20"]);
    assert.equal(metrics.watchRestarts, 0);
  });

  for (const [title, gone] of [
    ["an event", (response: ServerResponse) => response.end(event("ERROR", { code: 410 }))],
    ["a status", (response: ServerResponse) => response.writeHead(410).end()],
  ] as const) {
    it(`lists again when the revision is gone (${title})`, async () => {
      let lists = 0;
      const server = await serve((_, response, url) => {
        if (!url.searchParams.has("watch")) {
          lists += 1;
          return list(response, String(lists), object(String(lists), {}));
        }
        if (lists === 1) return gone(response);
        response.writeHead(200).flushHeaders();
      });
      start([server]);
      await waitFor("two lists", () => observed.length === 2);
      assert.deepEqual(revisions(), ["1", "2"]);
    });
  }

  it("drops a watch that is silent beyond its time", async () => {
    let lists = 0;
    const server = await serve((_, response, url) => {
      if (url.searchParams.has("watch")) return response.writeHead(200).flushHeaders();
      lists += 1;
      list(response, "1");
    });
    start([server], { watchMs: 50, graceMs: 50 });
    await waitFor("another list", () => lists >= 2);
    assert.match(lines.join(""), /silent beyond its time/);
  });

  it("uses the next API server when one hangs, or is left", async () => {
    const hung = await serve(() => undefined);
    const watching = await serve((_, response, url) => {
      if (url.searchParams.has("watch")) return response.writeHead(200).flushHeaders();
      list(response, "2", object("2", {}));
    });
    const third = await serve((_, response, url) => {
      if (url.searchParams.has("watch")) return response.writeHead(200).flushHeaders();
      list(response, "3", object("3", {}));
    });
    const source = start([hung, watching, third], { requestMs: 100 });
    await waitFor("the second answers", () => revisions().includes("2"));
    await waitFor("it watches", () => sync.seconds !== undefined && source.apiServer === watching);
    await waitFor("the third answers", () => {
      source.leave("it hangs");
      return revisions().includes("3");
    });
  });

  it("refuses a server whose certificate has another CA", async () => {
    let asked = 0;
    const other = mkdtempSync(join(folder, "other-"));
    const example = makeCertificates(other, "example");
    const wrongCa = await serve(() => (asked += 1));
    const wrongName = await serve(() => (asked += 1), example);
    trust = { ca: readFileSync(example.caFile, "utf8"), serverName: "kubernetes" };
    start([wrongCa, wrongName]);
    await waitFor("both were given up", () => lines.length >= 2);
    assert.equal(asked, 0);
    assert.match(lines.join(""), /does not match certificate's altnames/);
  });

  it("logs the meaning of 401 and 403, without the token", async () => {
    let status = 401;
    const server = await serve((_, response) => {
      response.writeHead(status).end("{}");
      status = 403;
    });
    start([server]);
    await waitFor("both", () => metrics.errors("unauthorized") >= 2);
    const text = lines.join("");
    assert.match(text, /401: the token is not accepted/);
    assert.match(text, /403: the ServiceAccount may not list or watch/);
    assert.doesNotMatch(text, /secret-token/);
  });

  it("reads the token for each connection", async () => {
    const seen: (string | undefined)[] = [];
    const server = await serve((request, response, url) => {
      seen.push(request.headers.authorization);
      if (!url.searchParams.has("watch")) return list(response, "1");
      response.writeHead(200).end();
    });
    let count = 0;
    start([server], {}, () => `t${(count += 1)}`);
    await waitFor("three", () => seen.length >= 3);
    assert.deepEqual(seen.slice(0, 3), ["Bearer t1", "Bearer t2", "Bearer t3"]);
  });

  it("keeps trying when the token cannot be read", async () => {
    start([{ address: "127.0.0.1", port: 1 }], {}, () => {
      throw new Error("no token");
    });
    await waitFor("it is counted", () => metrics.errors("token") >= 2);
  });

  describe("Events", () => {
    let nowMs: number;
    beforeEach(() => (nowMs = 0));
    const reporter = (apiServer: ApiServer): EventReporter =>
      new EventReporter(
        {
          settings: exampleSettings(folder),
          metrics,
          log: createLog((line) => lines.push(line)),
          now: () => nowMs,
        },
        {
          host: "m1",
          apiServer: () => apiServer,
          trust: () => trust,
          token: () => "secret-token",
          retryMs: 0,
        },
      );
    const collect = async (statuses: number[]) => {
      const calls: { method: string; url: string; body: Record<string, unknown> }[] = [];
      const server = await serve((request, response) => {
        let body = "";
        request.on("data", (chunk: Buffer) => (body += chunk.toString()));
        request.on("end", () => {
          const { method = "", url = "" } = request;
          calls.push({ method, url, body: JSON.parse(body) as Record<string, unknown> });
          response.writeHead(statuses.shift() ?? 201).end("{}");
        });
      });
      return { calls, server };
    };

    it("belong to the ConfigMap, once for the same problem", async () => {
      const { calls, server } = await collect([]);
      const events = reporter(server);
      events.uid = "u1";
      await events.report("BackendRefused", 'm4: "x": bad');
      await events.report("BackendRefused", 'm4: "x": bad');
      assert.equal(calls.length, 1);
      assert.equal(calls[0]?.method, "POST");
      assert.equal(calls[0]?.url, "/api/v1/namespaces/kube-system/events");
      const { involvedObject, reason, message, type, source } = calls[0].body;
      assert.deepEqual(involvedObject, {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: "haproxy-backends",
        namespace: "kube-system",
        uid: "u1",
      });
      assert.deepEqual(
        [reason, message, type, source],
        [
          "BackendRefused",
          'm4: "x": bad',
          "Warning",
          { component: "control-plane-lb-updater", host: "m1" },
        ],
      );
    });

    it("are counted up when they exist", async () => {
      const { calls, server } = await collect([409, 200]);
      await reporter(server).report("NoBackends", "none");
      assert.deepEqual(
        calls.map(({ method }) => method),
        ["POST", "PATCH"],
      );
      assert.match(calls[1]?.url ?? "", /\/events\/haproxy-backends\.[0-9a-f]{16}$/);
      assert.equal(metrics.errors("event"), 0);
    });

    it("are tried again when they cannot be written", async () => {
      const { calls, server } = await collect([403]);
      const events = reporter(server);
      await events.report("NoBackends", "none");
      assert.equal(metrics.errors("event"), 1);
      await events.report("NoBackends", "none");
      assert.equal(calls.length, 2);
    });

    it("come 25 at once, then one in 5 minutes, when a problem's text keeps changing", async () => {
      const { calls, server } = await collect([403, 403, 403]);
      const events = reporter(server);
      const report = async (count: number) => {
        for (let n = 0; n < count; n++) await events.report("ReloadFailed", `${nowMs} ${n}`);
        return calls.splice(0).length;
      };
      assert.equal(await report(3), 3, "not written: they do not count");
      assert.equal(await report(40), 25);
      nowMs += 5 * 60_000;
      assert.equal(await report(40), 1);
      nowMs += 24 * 3_600_000;
      assert.equal(await report(40), 25);
    });
  });
});
