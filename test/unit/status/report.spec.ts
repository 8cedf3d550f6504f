import assert from "node:assert/strict";
import { renderStatus } from "../../../status/render";
import { exitCode, kubeconfigProblems, parseAnswers, unreachable } from "../../../status/report";
import { answers, updater } from "./answers";

const PORTS = { lb: 6444, health: 6445 };
const HOST = { name: "m1", address: "10.77.0.11" };
const parse = (changes: Parameters<typeof answers>[0] = {}) =>
  parseAnswers(HOST, { ports: PORTS, updater: true }, answers(changes));
const SOCAT = '*:6444 users:(("socat",pid=300,fd=5))';

describe("status of a host", () => {
  it("has no problem when HAProxy serves and everything works", () => {
    const status = parse();
    assert.equal(status.server, "HAProxy");
    assert.equal(status.forward, "works");
    assert.deepEqual(status.problems, []);
    assert.equal(status.updater?.backends.length, 2);
    assert.equal(exitCode([status]), 0);
  });

  it("shows the forward when HAProxy does not listen and the port answers", () => {
    const status = parse({ listener: SOCAT, health: "000", updater: "" });
    assert.equal(status.server, "forward");
    assert.deepEqual(status.problems, ["HAProxy does not listen on the LB port"]);
    assert.equal(status.updater, undefined);
    assert.equal(exitCode([status]), 1);
  });

  it("shows that nothing serves when the port gives no answer", () => {
    const status = parse({ listener: SOCAT, health: "000", endpoint: "000", api: "000" });
    assert.equal(status.server, "nothing");
    assert.match(status.problems.join("\n"), /nothing answers on the LB port/);
    assert.match(status.problems.join("\n"), /API server does not answer on \/readyz/);
  });

  it("accepts 401 and 403 of its API server only where HAProxy's checks carry a token", () => {
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

  it("reports a hung HAProxy", () => {
    const { problems } = parse({ health: "000" });
    assert.match(problems.join(), /does not answer on its health port 6445/);
  });

  it("reports a broken part of the forward", () => {
    const broken = parse({ forward: ["control-plane-lb-forward-rules.service broken"] });
    assert.equal(broken.forward, "broken");
    assert.match(broken.problems.join(), /forward-rules.service does not work/);
  });

  it("reports a missing forward", () => {
    const absent = parse({ forward: [] });
    assert.equal(absent.forward, "absent");
    assert.match(absent.problems.join(), /the forward is not installed/);
  });

  it("attributes a listener on a wildcard address to the forward", () => {
    for (const wildcard of ["*", "0.0.0.0", "[::]"]) {
      const listener = `${wildcard}:6444 users:(("socat",pid=300,fd=5))`;
      assert.equal(parse({ listener, health: "000" }).server, "forward", wildcard);
    }
    assert.equal(
      parse({ listener: '[fd00::11]:6444 users:(("haproxy",pid=1,fd=7))' }).server,
      "HAProxy",
    );
  });

  const problems = (changes: object) => parse({ updater: updater(changes) }).problems.join("\n");
  const m1 = { name: "m1", address: "10.77.0.11", port: 6443 };

  it("reports backends that are down or alive only", () => {
    assert.match(problems({ backends: [{ ...m1, state: "down" }] }), /^backend m1 is down$/);
    assert.match(problems({ backends: [{ ...m1, state: "alive" }] }), /^backend m1 is alive$/);
  });

  it("does not report a draining backend", () => {
    assert.equal(problems({ backends: [{ ...m1, state: "draining" }] }), "");
  });

  it("reports an updater that has never synced, or not for long", () => {
    assert.match(problems({ lastSyncSeconds: null }), /has not reached an API server yet/);
    assert.match(problems({ lastSyncSeconds: 4000 }), /last sync was 4000 s ago/);
  });

  it("repeats the updater's own problems", () => {
    assert.equal(problems({ problems: ["ReloadFailed: no worker"] }), "ReloadFailed: no worker");
  });

  it("accepts an older updater, which reports no problems", () => {
    assert.equal(problems({ problems: undefined }), "");
  });

  it("reports refused entries with their reason", () => {
    const refused = ['BackendRefused: m9: "x": no address'];
    assert.match(problems({ problems: refused }), /BackendRefused: m9: "x": no address/);
  });

  it("adds to a backend that is down when it left the EndpointSlice", () => {
    const backends = [{ name: "m3", address: "10.77.0.13", port: 6443, state: "down" }];
    assert.match(problems({ backends, outOfSlice: undefined }), /backend m3 is down$/);
    const outOfSlice = [{ name: "m3", seconds: 99.6 }];
    assert.match(
      problems({ backends, outOfSlice }),
      /backend m3 is down and left the EndpointSlice 100 s ago/,
    );
  });

  it("is well while a backend that was removed on purpose is still known", () => {
    const backends = [{ name: "m3", address: "10.77.0.13", port: 6443, state: "down" }];
    const left = updater({ backends, outOfSlice: [{ name: "m3", seconds: 99 }] });
    const problemsOf = (text: string, nodes: readonly string[]) =>
      parseAnswers(
        HOST,
        { ports: { lb: 6444, health: 6445 }, updater: true },
        answers({ updater: text }),
        { forward: true, apiServer: true, nodes },
      ).problems;
    assert.deepEqual(problemsOf(left, ["10.77.0.11", "10.77.0.12"]), []);
    assert.match(problemsOf(left, ["10.77.0.13"]).join(), /backend m3 is down and left/);
    assert.match(problemsOf(updater({ backends }), []).join(), /backend m3 is down$/);
  });

  it("reports an updater that does not answer", () => {
    assert.match(parse({ updater: "" }).problems.join(), /the updater does not answer/);
  });

  it("gives exit code 2 when no host could be reached", () => {
    assert.equal(exitCode([unreachable(HOST, "cannot connect")]), 2);
  });

  it("gives exit code 1 when one of several hosts could not be reached", () => {
    assert.equal(exitCode([unreachable(HOST, "cannot connect"), parse()]), 1);
  });
});

describe("status while a machine is off for repair", () => {
  const down = (...names: string[]) =>
    updater({
      backends: ["m1", "m2", "m3"].map((name, index) => ({
        name,
        address: `10.77.0.1${index + 1}`,
        port: 6443,
        state: names.includes(name) ? "down" : "ready",
      })),
    });
  const ask = (text: string) =>
    parseAnswers(HOST, { ports: PORTS, updater: true }, answers({ updater: text }), {
      forward: true,
      apiServer: true,
      away: ["10.77.0.13"],
    });

  it("has no problem with its backend, which is down", () => {
    assert.deepEqual(ask(down("m3")).problems, []);
    assert.equal(exitCode([ask(down("m3"))]), 0);
  });

  it("has a problem with another one that is down", () => {
    assert.deepEqual(ask(down("m2", "m3")).problems, ["backend m2 is down"]);
  });

  it("has no problem with its backend in HAProxy's metrics either", () => {
    const metric = (pool: string, server: string, up: 0 | 1) =>
      `haproxy_server_status{proxy="${pool}",server="${server}",state="UP"} ${up}`;
    const metrics = [
      metric("ready", "m1:10.77.0.11:6443", 1),
      metric("ready", "m3:10.77.0.13:6443", 0),
    ];
    const { problems } = parseAnswers(
      HOST,
      { ports: PORTS, updater: false },
      answers({ updater: [], metric: metrics }),
      { forward: true, apiServer: true, away: ["10.77.0.13"] },
    );
    assert.deepEqual(problems, []);
  });

  it("names it", () => {
    const text = renderStatus("x:1", [parse()], { away: ["m3"] });
    assert.match(text, /^away, and not asked: m3$/m);
    assert.doesNotMatch(renderStatus("x:1", [parse()]), /away/);
  });
});

describe("status of a host without an updater", () => {
  const metric = (pool: string, server: string, up: 0 | 1) =>
    `haproxy_server_status{proxy="${pool}",server="${server}",state="UP"} ${up}`;
  const ask = (...metrics: string[]) =>
    parseAnswers(HOST, { ports: PORTS, updater: false }, answers({ updater: [], metric: metrics }));
  const m1 = "m1:10.77.0.11:6443";
  const m2 = "m2:fd00::12:6443";

  it("takes the backends from HAProxy's metrics", () => {
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

  it("has unknown backends when HAProxy's metrics name none", () => {
    const status = ask();
    assert.deepEqual(status.problems, ["HAProxy's metrics name no backend"]);
    assert.match(renderStatus("x:1", [status]), / unknown +- +n\/a\n/);
  });
});

describe("table of the status", () => {
  it("has a line for each host, then the problems", () => {
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
    assert.deepEqual(lines.slice(6, 8), ["problems:", "  m2: cannot connect"]);
  });

  it("shows until when the kubeconfig is valid", () => {
    const text = renderStatus("x:1", [parse()], { kubeconfigExpires: new Date("2027-11-29") });
    assert.match(text, /^administrator's kubeconfig valid until 2027-11-29$/m);
    assert.match(text, /^no problems$/m);
  });

  it("shows a kubeconfig that expires within 60 days as a problem", () => {
    const kubeconfigExpires = new Date("2027-11-29T12:00:00Z");
    const on = (day: string) => kubeconfigProblems(kubeconfigExpires, new Date(day));
    assert.deepEqual(on("2027-09-01"), []);
    const problems = on("2027-11-01");
    assert.match(problems[0] ?? "", /kubeconfig expires on 2027-11-29: renew it/);
    assert.match(on("2027-12-01")[0] ?? "", /kubeconfig has expired on 2027-11-29/);
    assert.equal(exitCode([parse()], problems), 1);
    const text = renderStatus("x:1", [parse()], { kubeconfigExpires, problems });
    assert.match(text, /^problems:\n {2}the administrator's kubeconfig expires on/m);
  });

  it("shows each problem in one line, without control characters", () => {
    const hostile = 'm9: "\u001b]0;title\u0007\u009b2J\u202e"';
    const refusal = "[ALERT] one\n  [ALERT] two\n";
    const status = parse({ updater: updater({ problems: [hostile, refusal] }) });
    const text = renderStatus("10.77.0.11:6444", [status]);
    assert.match(text, /^ {2}m1: \[ALERT\] one; \[ALERT\] two$/m);
    assert.match(text, /^ {2}m1: m9: "\?\]0;title\?\?2J\?"$/m);
    assert.doesNotMatch(text.replaceAll("\n", ""), /\p{C}/u);
  });
});

describe("status of a load-balancer host outside of the cluster", () => {
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

  it("needs neither a forward nor an API server", () => {
    assert.deepEqual(lb().problems, []);
    assert.equal(exitCode([lb()]), 0);
  });

  it("names a service that does not run or is missing", () => {
    const broken = [services[0] ?? "", "control-plane-lb-updater.service broken"];
    assert.deepEqual(lb({ service: broken }).problems, [
      "control-plane-lb-updater.service does not run: see systemctl status there",
    ]);
    assert.deepEqual(lb({ service: [] }).problems, ["HAProxy is not installed as a service"]);
  });

  it("reports an updater that waits for its token", () => {
    const waiting = updater({ lastSyncSeconds: null, waitingForToken: true });
    assert.deepEqual(lb({ updater: waiting }).problems, ["the updater waits for its token"]);
  });
});
