import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { Generator } from "../../../../e2e/load/generator";
import type { LoadOptions, PhaseReport } from "../../../../e2e/load/types";
import { FakeApi, type Asked, type Fault } from "./api";
import { kubeconfig } from "../../../support/certificates";
import { until } from "./until";

describe("load generator", () => {
  let api: FakeApi;
  let load: Generator | undefined;

  beforeEach(async () => {
    api = await FakeApi.start();
  });

  afterEach(async () => {
    api.resetHeld();
    api.fault = () => undefined;
    await load?.stop();
    load = undefined;
    await api.stop();
  });

  function start(options: Partial<LoadOptions> = {}): Generator {
    load = new Generator({
      endpoint: api.endpoint,
      // few: client and server share one process, which gets a tenth of a core on a busy machine
      newPerSecond: 10,
      keepAliveClients: 2,
      keepAlivePerSecond: 5,
      watches: 3,
      deadlineMs: 60_000,
      ...options,
    });
    load.start();
    return load;
  }

  async function full(options: Partial<LoadOptions> = {}): Promise<Generator> {
    const generator = start(options);
    await generator.setCredentials(kubeconfig("https://ignored"));
    const watches = options.watches ?? 3;
    await until("the watches are open", () => api.watches.length === watches);
    await until("requests", () => generator.phases()[0]!.ok > 5);
    await generator.phase("test");
    return generator;
  }

  /** Runs a phase with a fault until enough requests met it, then a phase without it. */
  async function meet(
    generator: Generator,
    fault: (asked: Asked) => Fault | undefined,
    enough = 3,
  ): Promise<PhaseReport> {
    api.fault = fault;
    await until("requests meet the fault", () => api.faulted >= enough);
    api.fault = () => undefined;
    await generator.phase("after");
    const after = generator.phases().at(-1)!;
    await until("requests after it", () => generator.phases().at(-1)!.ok > after.ok + 5);
    assert.equal(generator.phases().at(-1)!.failed, 0, "a request failed after the fault");
    const report = generator.phases().find((phase) => phase.name === "test")!;
    assert.equal(report.pending, 0);
    assert.equal(report.sent, report.ok + report.failed + report.inFlight);
    return report;
  }

  it("fails nothing over new and reused connections and watches when the API server is healthy", async () => {
    const generator = await full();
    const shown = generator.phases().at(-1)!;
    await until("requests", () => generator.phases().at(-1)!.ok > shown.ok + 20);
    const report = await generator.stop();
    const [, phase] = report.phases;
    assert.deepEqual(phase!.failures, []);
    assert.equal(phase!.failed + phase!.watchBreaks + phase!.missedEvents, 0);
    assert.ok(phase!.newConnections.ok > 0 && phase!.reused.ok > 0);
    assert.equal(phase!.sent, phase!.ok);
    assert.equal(report.phases[0]!.watches.ok, 3);
    assert.ok(report.timeline.length > 0);
  });

  it("counts nothing before the first answer", async () => {
    api.fault = () => "reset";
    const generator = start();
    await until("requests that fail", () => api.faulted > 5);
    assert.equal(generator.phases()[0]!.sent, 0);
    api.fault = () => undefined;
    const at = await generator.waitFirstAnswer();
    await until("requests", () => generator.phases()[0]!.ok > 10);
    const report = generator.report();
    assert.equal(report.firstAnswerAt, at);
    assert.equal(report.phases[0]!.failed, 0);
  });

  const KINDS: readonly [Fault, string][] = [
    ["reset", "reset"],
    ["cut answer", "reset"],
    ["hang", "timeout"],
    [503, "5xx"],
    [429, "429"],
    [403, "status"],
    ["not JSON", "body"],
    ["other object", "body"],
    ["stale", "body"],
  ];
  for (const [fault, kind] of KINDS) {
    it(`counts each new connection that meets ${fault} as failed: ${kind}`, async () => {
      const generator = await full({
        keepAliveClients: 0,
        watches: 0,
        ...(fault === "hang" ? { deadlineMs: 5000 } : {}),
      });
      const report = await meet(generator, ({ method }) =>
        fault !== "other object" && fault !== "stale"
          ? fault
          : method === "GET"
            ? fault
            : undefined,
      );
      assert.equal(report.failed, api.faulted);
      assert.equal(report.newConnections.failed, api.faulted);
      assert.equal(report.inFlight, 0);
      for (const failure of report.failures) assert.equal(failure.kind, kind, failure.message);
    });
  }

  it("counts refused connections", async () => {
    const generator = await full({ keepAliveClients: 0, watches: 0 });
    await api.stop();
    await until("refusals", () => generator.phases().at(-1)!.failed >= 3);
    const { failures } = generator.phases().at(-1)!;
    assert.ok(failures.some((failure) => failure.kind === "refused"));
    for (const { kind, message } of failures) assert.match(kind, /^(refused|reset)$/, message);
  });

  it("counts TLS errors", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const generator = await full({ keepAliveClients: 0, watches: 0 });
      await generator.phase("elsewhere", { through: [{ host: "127.0.0.1", port }] });
      await until("failures", () => generator.phases().at(-1)!.failed >= 3);
      for (const failure of generator.phases().at(-1)!.failures) {
        assert.equal(failure.kind, "tls", failure.message);
        assert.equal(failure.target, `127.0.0.1:${port}`);
      }
      await generator.phase("back");
    } finally {
      server.close();
    }
  });

  it("counts failures of reused connections apart from those of new ones", async () => {
    const generator = await full({ watches: 0 });
    const report = await meet(generator, ({ reused }) => (reused ? "reset" : undefined), 2);
    assert.equal(report.reused.failed, api.faulted);
    assert.equal(report.newConnections.failed, 0);
  });

  it("has reconnected its clients when a phase with `reconnect` is open", async () => {
    const generator = await full({ watches: 0, newPerSecond: 0.001, keepAliveClients: 1 });
    await generator.phase("own", { reconnect: true });
    const open = Date.now();
    api.fault = ({ reused }) => (reused ? "reset" : undefined);
    await until("the connection breaks", () => generator.phases().at(-1)!.failed > 0);
    const [failure] = generator.phases().at(-1)!.failures;
    assert.ok(failure!.connectedAt <= open, `connected ${failure!.connectedAt - open} ms later`);
  });

  it("counts requests in flight at a kill as in flight, not as failed", async () => {
    const generator = await full({ watches: 0 });
    api.fault = () => "hang";
    await until("requests hang", () => api.held.size >= 3);
    const from = Date.now();
    const held = api.resetHeld();
    api.fault = () => undefined;
    generator.markKill({ from, to: Date.now() });
    const report = await meet(generator, () => undefined, 0);
    assert.deepEqual(report.failures, []);
    assert.equal(report.inFlight, held);
  });

  it("counts requests that begin after a kill as failed", async () => {
    const generator = await full({ watches: 0, keepAliveClients: 0 });
    const now = Date.now();
    generator.markKill({ from: now - 1000, to: now - 1000 });
    const report = await meet(generator, () => "reset");
    assert.equal(report.failed, api.faulted);
    assert.equal(report.inFlight, 0);
  });

  it("counts requests whose deadline came in a stall of the generator as stalled", async () => {
    const generator = await full({ watches: 0, keepAliveClients: 0, deadlineMs: 3000 });
    api.fault = () => "hang";
    await until("requests hang", () => api.held.size >= 3);
    const held = api.held.size;
    // the generator runs in this process
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
    api.fault = () => undefined;
    await until("the deadlines are noticed", () => generator.phases().at(-1)!.stalled >= held);
    const phase = generator.phases().at(-1)!;
    assert.ok(phase.longestStallMs >= 4000, `${phase.longestStallMs} ms`);
    assert.deepEqual(new Set(phase.lost.map(({ cause }) => cause)), new Set(["stalled"]));
  });

  it("counts a watch that breaks, and resumes it without missing an event", async () => {
    const generator = await full();
    for (const watch of [...api.watches]) watch.answer.socket?.destroy();
    await until("the breaks are seen", () => generator.phases().at(-1)!.watchBreaks === 3);
    await until("the watches are back", () => generator.phases().at(-1)!.watches.ok === 3);
    const report = await meet(generator, () => undefined, 0);
    assert.equal(report.watchBreaks, 3);
    assert.equal(report.missedEvents, 0);
    assert.equal(report.failed, 0);
    assert.equal(report.watches.ok, 3);
  });

  it("counts each refused watch as failed", async () => {
    const generator = await full({ watches: 1 });
    api.watches[0]!.answer.end();
    const report = await meet(generator, ({ watch }) => (watch ? 503 : undefined), 3);
    assert.equal(report.watchBreaks, 1);
    assert.equal(report.watches.failed, api.faulted);
  });

  it("counts an event that a watch never delivers", async () => {
    const generator = await full();
    const before = generator.phases().at(-1)!;
    const [watch] = api.watches;
    watch!.mute = true;
    await until("writes", () => generator.phases().at(-1)!.ok > before.ok + 12);
    watch!.mute = false;
    await until("it is seen", () => generator.phases().at(-1)!.missedEvents > 0);
    assert.equal(generator.phases().at(-1)!.watchBreaks, 0);
  });

  it("counts a silent watch as broken, and its events as late once it is reopened", async () => {
    const generator = await full({ deadlineMs: 5000 });
    const [watch] = api.watches;
    watch!.mute = true;
    await until("the break is seen", () => generator.phases().at(-1)!.watchBreaks === 1);
    await until("it is back", () => api.watches.length === 3 && !api.watches.includes(watch!));
    await until("late events are seen", () => generator.phases().at(-1)!.lateEvents > 0);
    const report = generator.phases().at(-1)!;
    assert.equal(report.missedEvents, 0);
    assert.match(report.breaks[0]!, /silent/);
  });
});
