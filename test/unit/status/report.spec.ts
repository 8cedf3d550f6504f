import assert from "node:assert/strict";
import { renderStatus } from "../../../status/render";
import { exitCode, parseAnswers, unreachable } from "../../../status/report";
import { answers, updater } from "./answers";

const PORTS = { lb: 6444, health: 6445 };
const HOST = { name: "m1", address: "10.77.0.11" };
const parse = (changes: Parameters<typeof answers>[0] = {}) =>
  parseAnswers(HOST, { ports: PORTS, updater: true }, answers(changes));
const SOCAT = '*:6444 users:(("socat",pid=300,fd=5))';

describe("status of a host", () => {
  it("is HAProxy, with nothing to complain about, when all works", () => {
    const status = parse();
    assert.equal(status.server, "HAProxy");
    assert.equal(status.forward, "works");
    assert.deepEqual(status.problems, []);
    assert.equal(status.updater?.backends.length, 2);
    assert.equal(exitCode([status]), 0);
  });

  it("is the forward when HAProxy does not listen and the port answers", () => {
    const status = parse({ listener: SOCAT, health: "000", updater: "" });
    assert.equal(status.server, "forward");
    assert.deepEqual(status.problems, ["HAProxy does not listen on the LB port"]);
    assert.equal(status.updater, undefined);
    assert.equal(exitCode([status]), 1);
  });

  it("is nothing when the port gives no answer", () => {
    const status = parse({ listener: SOCAT, health: "000", endpoint: "000", api: "000" });
    assert.equal(status.server, "nothing");
    assert.match(status.problems.join("\n"), /nobody answers on the LB port/);
    assert.match(status.problems.join("\n"), /API server does not answer on \/readyz/);
  });

  it("takes 401 and 403 of its API server for what they are where HAProxy's checks carry a token", () => {
    const ask = (api: string, checksByToken: boolean) =>
      parseAnswers(HOST, { ports: PORTS, updater: true }, answers({ api }), {
        forward: true,
        apiServer: true,
        checksByToken,
      }).problems;
    assert.deepEqual(ask("401", true), []);
    assert.deepEqual(ask("403", true), []);
    assert.deepEqual(ask("401", false), ["its API server answers 401 on /readyz"]);
    assert.deepEqual(ask("500", true), ["its API server answers 500 on /readyz"]);
  });

  it("names another process that holds the LB port", () => {
    const status = parse({ listener: '10.77.0.11:6444 users:(("nginx",pid=9,fd=7))' });
    assert.match(status.problems.join("\n"), /held by another process: .*nginx/);
  });

  it("tells a hung HAProxy, a forward that is broken and one that is missing", () => {
    assert.match(
      parse({ health: "000" }).problems.join(),
      /does not answer on its health port 6445/,
    );
    const broken = parse({ forward: ["control-plane-lb-forward-rules.service broken"] });
    assert.equal(broken.forward, "broken");
    assert.match(broken.problems.join(), /forward-rules.service does not work/);
    assert.equal(parse({ forward: [] }).forward, "absent");
  });

  it("takes a wildcard address for the forward's, also with IPv6 and IPv4 apart", () => {
    for (const wildcard of ["*", "0.0.0.0", "[::]"]) {
      const listener = `${wildcard}:6444 users:(("socat",pid=300,fd=5))`;
      assert.equal(parse({ listener, health: "000" }).server, "forward", wildcard);
    }
    assert.equal(
      parse({ listener: '[fd00::11]:6444 users:(("haproxy",pid=1,fd=7))' }).server,
      "HAProxy",
    );
  });

  it("tells what is wrong with backends and updater", () => {
    const problems = (changes: object) => parse({ updater: updater(changes) }).problems.join("\n");
    const m1 = { name: "m1", address: "10.77.0.11", port: 6443 };
    assert.match(problems({ backends: [{ ...m1, state: "down" }] }), /backend m1 is down/);
    assert.match(problems({ backends: [{ ...m1, state: "alive" }] }), /backend m1 is alive/);
    assert.equal(problems({ backends: [{ ...m1, state: "draining" }] }), "");
    assert.match(problems({ lastSyncSeconds: null }), /has not reached an API server yet/);
    assert.match(problems({ lastSyncSeconds: 4000 }), /last sync was 4000 s ago/);
    assert.match(problems({ problems: ["ReloadFailed: no worker"] }), /^ReloadFailed: no worker$/);
    assert.equal(problems({ problems: undefined }), "");
    assert.match(
      problems({ problems: ['BackendRefused: m9: "x": no address'] }),
      /BackendRefused: m9: "x": no address/,
    );
    const backends = [{ name: "m3", address: "10.77.0.13", port: 6443, state: "down" }];
    assert.match(problems({ backends, outOfSlice: undefined }), /backend m3 is down$/);
    const outOfSlice = [{ name: "m3", seconds: 99.6 }];
    assert.match(
      problems({ backends, outOfSlice }),
      /backend m3 is down and left the EndpointSlice 100 s ago/,
    );
    assert.match(parse({ updater: "" }).problems.join(), /the updater does not answer/);
  });

  it("cannot tell when no host could be asked, and is not well when one could not", () => {
    const lost = unreachable(HOST, "cannot connect");
    assert.equal(exitCode([lost]), 2);
    assert.equal(exitCode([lost, parse()]), 1);
  });
});

describe("status of a host without an updater", () => {
  const metric = (pool: string, server: string, up: 0 | 1) =>
    `haproxy_server_status{proxy="${pool}",server="${server}",state="UP"} ${up}`;
  const ask = (...metrics: string[]) =>
    parseAnswers(HOST, { ports: PORTS, updater: false }, answers({ updater: [], metric: metrics }));
  const m1 = "m1:10.77.0.11:6443";
  const m2 = "m2:fd00::12:6443";

  it("has the backends from HAProxy's metrics, and no last sync", () => {
    const status = ask(
      metric("ready", m1, 1),
      metric("ready", m2, 0),
      metric("alive", m1, 1),
      metric("alive", m2, 1),
    );
    assert.deepEqual(status.backends, [
      { name: "m1", address: "10.77.0.11", port: 6443, state: "ready" },
      { name: "m2", address: "fd00::12", port: 6443, state: "alive" },
    ]);
    assert.deepEqual(status.problems, ["backend m2 is alive"]);
    assert.match(renderStatus("x:1", [status]), /yes +m1 ready, m2 alive +- +n\/a\n/);
  });

  it("has unknown backends when HAProxy tells none", () => {
    const status = ask();
    assert.deepEqual(status.problems, ["HAProxy's metrics name no backend"]);
    assert.match(renderStatus("x:1", [status]), / unknown +- +n\/a\n/);
  });
});

describe("table of the status", () => {
  it("has a line for each host and says what is wrong", () => {
    const other = unreachable({ name: "m2", address: "10.77.0.12" }, "cannot connect");
    const lines = renderStatus("10.77.0.11:6444", [parse(), other]).split("\n");
    assert.match(
      lines[2]!,
      /^HOST +ADDRESS +SERVED BY +FORWARD +ANSWERS +BACKENDS +DISCOVERY +LAST SYNC$/,
    );
    assert.match(
      lines[3]!,
      /^m1 +10.77.0.11 +HAProxy +works +yes +m1 ready, m2 ready +configMap +12 s ago$/,
    );
    assert.match(lines[4]!, /^m2 +10.77.0.12 +unknown +unknown +no +- +- +-$/);
    assert.deepEqual(lines.slice(6, 8), ["not as it should be:", "  m2: cannot connect"]);
  });
});

describe("status of a host of HAProxy outside of the cluster", () => {
  const services = [
    "control-plane-lb-haproxy.service works",
    "control-plane-lb-updater.service works",
  ];
  const lb = (changes: Parameters<typeof answers>[0] = {}) =>
    parseAnswers(
      { name: "lb1", address: "10.77.0.11" },
      { ports: PORTS, updater: true },
      answers({
        listener: '10.77.0.11:6444 users:(("haproxy",pid=812,fd=7))',
        forward: [],
        service: services,
        api: "000",
        ...changes,
      }),
      { forward: false, apiServer: false },
    );

  it("misses neither a forward nor an API server", () => {
    assert.deepEqual(lb().problems, []);
    assert.equal(exitCode([lb()]), 0);
  });

  it("names a service that does not run, or is not there", () => {
    const broken = [services[0] ?? "", "control-plane-lb-updater.service broken"];
    assert.deepEqual(lb({ service: broken }).problems, [
      "control-plane-lb-updater.service does not run: see systemctl status there",
    ]);
    assert.deepEqual(lb({ service: [] }).problems, ["HAProxy is not installed as a service"]);
  });

  it("says that the updater waits for its token", () => {
    const waiting = updater({ lastSyncSeconds: null, waitingForToken: true });
    assert.deepEqual(lb({ updater: waiting }).problems, ["the updater waits for its token"]);
  });
});
