import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "../../../haproxy/model";
import { Discovery, type DiscoveredBackends } from "../../../updater/sources/discovery";
import type { ApiServer } from "../../../updater/http";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import { Reporter } from "../../../updater/report/reporter";
import type { DiscoveryMode } from "../../../updater/settings";
import { SyncState } from "../../../updater/sources/sync-state";
import { makeCertificates, type Certificates } from "../../haproxy/support/certificates";
import { waitFor } from "../../haproxy/support/wait";
import { exampleSettings } from "./example-settings";

const CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps";
const SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const M2: Backend = { name: "m2", address: "10.0.0.2", port: 6443 };
const HOUR_MS = 3_600_000;

/** An object of the fake API server; null: it does not exist; undefined: reading is forbidden. */
type Content = object | null | undefined;

const configMap = (data: Record<string, string>) => ({ data });
const slice = (...addresses: string[]) => ({
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports: [{ name: "https", port: 6443 }],
});
const places = ({ backends }: DiscoveredBackends): string[] =>
  backends.map(({ name, address }) => (name === address ? name : `${name}=${address}`));

describe("discovery", function () {
  this.timeout(120_000);
  let folder: string;
  let certificates: Certificates;
  let server: Server;
  let apiServer: ApiServer;
  let sync: SyncState;
  let report: Reporter;
  let serving: readonly Backend[];
  let contents: Record<string, Content>;
  let watches: { path: string; response: ServerResponse }[];
  let asked: Set<string>;
  let revision: number;
  let stop: AbortController;
  let running: Promise<void>;
  let metrics: Metrics;
  let changes: number;
  let nowMs: number;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "updater-discovery-"));
    certificates = makeCertificates(folder);
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    contents = {};
    watches = [];
    asked = new Set();
    revision = 10;
    stop = new AbortController();
    metrics = new Metrics();
    report = new Reporter({ log: createLog(() => undefined), metrics });
    sync = new SyncState();
    serving = [];
    changes = 0;
    nowMs = 1_000_000;
    server = createServer(
      { cert: certificates.cert, key: certificates.key },
      (request, response) => {
        const url = new URL(request.url ?? "/", "https://kubernetes");
        asked.add(`${url.pathname} ${url.searchParams.get("fieldSelector")}`);
        const content = contents[url.pathname];
        if (content === undefined) return response.writeHead(403).end("{}");
        if (url.searchParams.has("watch")) {
          watches.push({ path: url.pathname, response });
          return response.writeHead(200).flushHeaders();
        }
        const items = content === null ? [] : [{ metadata: meta(), ...content }];
        response.end(JSON.stringify({ metadata: meta(), items }));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    apiServer = { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
  });
  afterEach(async () => {
    stop.abort();
    await running;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const meta = () => ({ uid: "u1", resourceVersion: String(revision) });
  const start = (discovery: DiscoveryMode): Discovery => {
    const settings = exampleSettings(folder, { discovery, retainSeconds: HOUR_MS / 1000 });
    const log = createLog(() => undefined);
    const it = new Discovery(
      { settings, log, metrics, report, now: () => nowMs },
      {
        trust: () => ({ ca: readFileSync(certificates.caFile, "utf8"), serverName: "kubernetes" }),
        token: () => "token",
        apiServers: () => [apiServer],
        sync,
      },
      { onChange: () => (changes += 1), serving: () => serving },
    );
    running = it.run(stop.signal);
    return it;
  };
  const send = (path: string, type: string, object: object): void => {
    for (const watch of watches.filter((each) => each.path === path)) {
      watch.response.write(
        `${JSON.stringify({ type, object: { metadata: meta(), ...object } })}\n`,
      );
    }
  };
  const change = async (path: string, object: object, type = "MODIFIED"): Promise<void> => {
    revision += 1;
    const before = changes;
    send(path, type, object);
    await waitFor("the change arrives", () => changes > before);
  };
  const bookmark = (path: string): void => send(path, "BOOKMARK", {});
  const watching = (count: number) =>
    waitFor("the watches", () => watches.length >= count && sync.seconds !== undefined);

  it("refuses the LB port, in ConfigMap and slice", async () => {
    contents = {
      [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6444", m2: "10.0.0.2:6443" }),
      [SLICES]: { ...slice("10.0.0.3"), ports: [{ name: "https", port: 6444 }] },
    };
    const discovery = start("both");
    await watching(2);
    const { backends, refused } = discovery.discover();
    assert.deepEqual(backends, [M2]);
    assert.deepEqual(
      refused.map(({ value }) => value),
      ["10.0.0.3:6444", "10.0.0.1:6444"],
    );
  });

  it("asks for the object of its mode alone", async () => {
    for (const [mode, paths] of [
      ["configMap", [`${CONFIG_MAPS} metadata.name=haproxy-backends`]],
      ["endpoints", [`${SLICES} metadata.name=kubernetes`]],
    ] as const) {
      contents = { [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443" }), [SLICES]: slice("10.0.0.2") };
      const discovery = start(mode);
      await watching(1);
      assert.deepEqual([...asked], paths);
      assert.deepEqual(
        places(discovery.discover()),
        mode === "endpoints" ? ["10.0.0.2"] : ["m1=10.0.0.1"],
      );
      assert.equal(discovery.uid, mode === "endpoints" ? "" : "u1");
      stop.abort();
      await running;
      [stop, asked, watches, sync] = [new AbortController(), new Set(), [], new SyncState()];
    }
  });

  it("merges both sources, with the revision of the last change", async () => {
    contents = {
      [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443", m4: "10.0.0.4:6443", m5: "nonsense" }),
      [SLICES]: slice("10.0.0.1", "10.0.0.2"),
    };
    const discovery = start("both");
    await watching(2);
    const found = discovery.discover();
    assert.deepEqual(places(found), ["10.0.0.2", "m1=10.0.0.1", "m4=10.0.0.4"]);
    assert.deepEqual(
      found.refused.map(({ key }) => key),
      ["m5"],
    );
    await change(SLICES, slice("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    assert.equal(discovery.discover().revision, "11");
    // Its key is gone, but the slice has it.
    await change(CONFIG_MAPS, configMap({ m4: "10.0.0.4:6443" }));
    const after = discovery.discover();
    assert.equal(after.revision, "12");
    assert.deepEqual(places(after), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "m4=10.0.0.4"]);
  });

  it("drops a departed API server when retention is over and an API server confirms the slice", async () => {
    contents = { [SLICES]: slice("10.0.0.1", "10.0.0.2") };
    const discovery = start("endpoints");
    await watching(1);
    discovery.discover();
    await change(SLICES, slice("10.0.0.1"));
    assert.deepEqual(places(discovery.discover()), ["10.0.0.1", "10.0.0.2"]);
    nowMs += HOUR_MS;
    const before = changes;
    assert.deepEqual(discovery.outOfSlice([M2]), [{ name: "m2", seconds: HOUR_MS / 1000 }]);
    bookmark(SLICES);
    await waitFor("it reports a change", () => changes > before);
    assert.deepEqual(places(discovery.discover()), ["10.0.0.1"]);
  });

  it("keeps the backends of an empty slice as a problem", async () => {
    contents = { [SLICES]: slice("10.0.0.1", "10.0.0.2") };
    const discovery = start("endpoints");
    await watching(1);
    discovery.discover();
    for (const [object, type, what] of [
      [slice(), "MODIFIED", /has no ready endpoint: the last good/],
      [slice("10.0.0.2"), "DELETED", /does not exist: the last good/],
    ] as const) {
      await change(SLICES, object, type);
      nowMs += 2 * HOUR_MS;
      const { backends, problems } = discovery.discover();
      assert.equal(backends.length, 2);
      assert.match(problems.join(), what);
    }
  });

  it("retains the backends of before a restart as if they had just departed", async () => {
    contents = { [SLICES]: slice("10.0.0.1") };
    serving = [M2];
    const discovery = start("endpoints");
    await watching(1);
    assert.deepEqual(places(discovery.discover()), ["10.0.0.1", "10.0.0.2"]);
    nowMs += HOUR_MS;
    assert.deepEqual(places(discovery.discover()), ["10.0.0.1"]);
  });

  it("is not in sync while one of two sources is forbidden", async () => {
    contents = { [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443" }), [SLICES]: undefined };
    const discovery = start("both");
    await waitFor("it is refused", () => metrics.errors("unauthorized") > 0 && watches.length > 0);
    serving = [M2, { ...M2, name: "10.0.0.3", address: "10.0.0.3" }];
    // m2's key is gone; 10.0.0.3 came from the slice, which no API server has sent yet.
    assert.deepEqual(places(discovery.discover()), ["10.0.0.3", "m1=10.0.0.1"]);
    assert.equal(sync.seconds, undefined);
    await waitFor("a problem", () => report.list().length > 0);
    assert.match(report.list().join(), /^SyncFailed: EndpointSlice .* may not list or watch/);
    contents[SLICES] = slice("10.0.0.1", "10.0.0.3");
    await waitFor("it may be read", () => sync.seconds !== undefined);
    assert.deepEqual(report.list(), []);
  });

  it("names what serves instead of a missing ConfigMap", async () => {
    contents = { [CONFIG_MAPS]: null, [SLICES]: slice("10.0.0.1") };
    const discovery = start("both");
    await watching(2);
    const { backends, problems } = discovery.discover();
    assert.equal(backends.length, 1);
    assert.match(
      problems.join(),
      /ConfigMap kube-system\/haproxy-backends does not exist: EndpointSlice default\/kubernetes alone counts/,
    );
  });

  it("leaves only the API servers that match the condition", async () => {
    contents = { [CONFIG_MAPS]: configMap({}), [SLICES]: slice("10.0.0.1") };
    const discovery = start("both");
    await watching(2);
    assert.deepEqual(discovery.apiServer, apiServer);
    discovery.leave(() => false, "nothing");
    assert.equal(metrics.watchRestarts, 0);
    discovery.leave(({ port }) => port === apiServer.port, "it hangs");
    await waitFor("both start again", () => metrics.watchRestarts === 2);
  });
});
