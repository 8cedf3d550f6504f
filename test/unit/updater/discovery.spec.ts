import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "../../../haproxy/model";
import { Discovery, type Found } from "../../../updater/sources/discovery";
import type { Endpoint } from "../../../updater/sources/http";
import { createLog } from "../../../updater/report/log";
import { Metrics } from "../../../updater/report/metrics";
import type { DiscoveryMode, UpdaterSettings } from "../../../updater/settings";
import { makeCertificates, type Certificates } from "../../haproxy/support/certificates";
import { waitFor } from "../../haproxy/support/wait";

const CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps";
const SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const M2: Backend = { name: "m2", address: "10.0.0.2", port: 6443 };
const HOUR_MS = 3_600_000;

/** An object of the stand-in; null: it does not exist; undefined: nobody may read it. */
type Content = object | null | undefined;

const configMap = (data: Record<string, string>) => ({ data });
const slice = (...addresses: string[]) => ({
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports: [{ name: "https", port: 6443 }],
});
const places = ({ backends }: Found): string[] =>
  backends.map(({ name, address }) => (name === address ? name : `${name}=${address}`));

describe("discovery", function () {
  this.timeout(120_000);
  let folder: string;
  let certificates: Certificates;
  let server: Server;
  let endpoint: Endpoint;
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
    endpoint = { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
  });
  afterEach(async () => {
    stop.abort();
    await running;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const meta = () => ({ uid: "u1", resourceVersion: String(revision) });
  const start = (discovery: DiscoveryMode): Discovery => {
    const settings = {
      namespace: "kube-system",
      configMap: "haproxy-backends",
      discovery,
      retainSeconds: HOUR_MS / 1000,
    } as UpdaterSettings;
    const it = new Discovery({
      settings,
      trust: () => ({ ca: readFileSync(certificates.caFile, "utf8"), serverName: "kubernetes" }),
      token: () => "token",
      endpoints: () => [endpoint],
      onChange: () => (changes += 1),
      metrics,
      log: createLog(() => undefined),
      now: () => nowMs,
    });
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
    waitFor("the watches", () => watches.length >= count && metrics.secondsSinceSync !== undefined);

  it("reads the one object that it is told to, and asks for no other", async () => {
    for (const [mode, paths] of [
      ["configMap", [`${CONFIG_MAPS} metadata.name=haproxy-backends`]],
      ["endpoints", [`${SLICES} metadata.name=kubernetes`]],
    ] as const) {
      contents = { [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443" }), [SLICES]: slice("10.0.0.2") };
      const discovery = start(mode);
      await watching(1);
      assert.deepEqual([...asked], paths);
      assert.deepEqual(
        places(discovery.found([])),
        mode === "endpoints" ? ["10.0.0.2"] : ["m1=10.0.0.1"],
      );
      assert.equal(discovery.uid, mode === "endpoints" ? "" : "u1");
      stop.abort();
      await running;
      [stop, asked, watches, metrics] = [new AbortController(), new Set(), [], new Metrics()];
    }
  });

  it("puts both together, and says which object changed last", async () => {
    contents = {
      [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443", m4: "10.0.0.4:6443", m5: "nonsense" }),
      [SLICES]: slice("10.0.0.1", "10.0.0.2"),
    };
    const discovery = start("both");
    await watching(2);
    const found = discovery.found([]);
    assert.deepEqual(places(found), ["10.0.0.2", "m1=10.0.0.1", "m4=10.0.0.4"]);
    assert.deepEqual(
      found.refused.map(({ key }) => key),
      ["m5"],
    );
    await change(SLICES, slice("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    assert.equal(discovery.found([]).revision, "11");
    // Its key is gone, but it stands in the slice.
    await change(CONFIG_MAPS, configMap({ m4: "10.0.0.4:6443" }));
    const after = discovery.found([]);
    assert.equal(after.revision, "12");
    assert.deepEqual(places(after), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "m4=10.0.0.4"]);
  });

  it("keeps an API server that has left the slice, until its time is over and an API server says so", async () => {
    contents = { [SLICES]: slice("10.0.0.1", "10.0.0.2") };
    const discovery = start("endpoints");
    await watching(1);
    discovery.found([]);
    await change(SLICES, slice("10.0.0.1"));
    assert.deepEqual(places(discovery.found([])), ["10.0.0.1", "10.0.0.2"]);
    nowMs += HOUR_MS;
    const before = changes;
    assert.deepEqual(discovery.outOfSlice([M2]), [{ name: "m2", seconds: HOUR_MS / 1000 }]);
    bookmark(SLICES);
    await waitFor("it has something new to say", () => changes > before);
    assert.deepEqual(places(discovery.found([])), ["10.0.0.1"]);
  });

  it("never ends with an empty slice, and says what is wrong", async () => {
    contents = { [SLICES]: slice("10.0.0.1", "10.0.0.2") };
    const discovery = start("endpoints");
    await watching(1);
    discovery.found([]);
    for (const [object, type, what] of [
      [slice(), "MODIFIED", /has no ready endpoint: the last good/],
      [slice("10.0.0.2"), "DELETED", /does not exist: the last good/],
    ] as const) {
      await change(SLICES, object, type);
      nowMs += 2 * HOUR_MS;
      const { backends, problems } = discovery.found([]);
      assert.equal(backends.length, 2);
      assert.match(problems.join(), what);
    }
  });

  it("keeps what was wanted before a restart, as if it had just left the slice", async () => {
    contents = { [SLICES]: slice("10.0.0.1") };
    const discovery = start("endpoints");
    await watching(1);
    assert.deepEqual(places(discovery.found([M2])), ["10.0.0.1", "10.0.0.2"]);
    nowMs += HOUR_MS;
    assert.deepEqual(places(discovery.found([])), ["10.0.0.1"]);
  });

  it("goes on with one source while the other may not be read, and does not call that in sync", async () => {
    contents = { [CONFIG_MAPS]: configMap({ m1: "10.0.0.1:6443" }), [SLICES]: undefined };
    const discovery = start("both");
    await waitFor("it is refused", () => metrics.errors("unauthorized") > 0 && watches.length > 0);
    const serving = [M2, { ...M2, name: "10.0.0.3", address: "10.0.0.3" }];
    // m2's key is gone; 10.0.0.3 was known from the slice, and nobody says that it has left.
    assert.deepEqual(places(discovery.found(serving)), ["10.0.0.3", "m1=10.0.0.1"]);
    assert.equal(metrics.secondsSinceSync, undefined);
    contents[SLICES] = slice("10.0.0.1", "10.0.0.3");
    await waitFor("it may be read", () => metrics.secondsSinceSync !== undefined);
  });

  it("says when the ConfigMap has nothing, and what counts then", async () => {
    contents = { [CONFIG_MAPS]: null, [SLICES]: slice("10.0.0.1") };
    const discovery = start("both");
    await watching(2);
    const { backends, problems } = discovery.found([]);
    assert.equal(backends.length, 1);
    assert.match(
      problems.join(),
      /ConfigMap kube-system\/haproxy-backends does not exist: EndpointSlice default\/kubernetes alone counts/,
    );
  });

  it("leaves only those API servers that are dead", async () => {
    contents = { [CONFIG_MAPS]: configMap({}), [SLICES]: slice("10.0.0.1") };
    const discovery = start("both");
    await watching(2);
    assert.deepEqual(discovery.endpoint, endpoint);
    discovery.leave(() => false, "nothing");
    assert.equal(metrics.watchRestarts, 0);
    discovery.leave(({ port }) => port === endpoint.port, "it hangs");
    await waitFor("both start again", () => metrics.watchRestarts === 2);
  });
});
