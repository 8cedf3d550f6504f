import assert from "node:assert/strict";
import type { ForwardKind, ForwardSettings } from "../../host/forward/forward-part";
import { HAPROXY_UID, PRE_STOP_HANDOVER } from "../../names";
import { handoverScript } from "../../pod/handover-script";
import { RunningForward, RunningHaproxy } from "./support/forward";
import { Load, ask, startServer } from "./support/load";
import { ADDRESS, ADDRESS6, Network, type Host } from "./support/network";
import { waitFor } from "./support/wait";

const CLIENTS: readonly Host[] = ["cl", "m1", "pod"];
const NAMES: Partial<Record<Host, string>> = {
  cl: "a remote client",
  m1: "a client on the machine itself",
  pod: "a client in a pod on the machine",
};

function settings(kind: ForwardKind, more: Partial<ForwardSettings> = {}): ForwardSettings {
  const ports = { lbPort: 6444, apiPort: 6443, healthPort: 6445 };
  return { kind, ...ports, ownAddress: { from: "route" }, allow: [], ...more };
}

for (const kind of ["nftables", "iptables", "socat"] as const) {
  describe(`forward by ${kind}, on the real kernel`, function () {
    this.timeout(300_000);
    let network: Network;
    let forward: RunningForward;
    let haproxy: RunningHaproxy;
    let untouched: string;

    const ruleset = () => network.must("m1", ["nft", "-s", "list", "ruleset"]);

    before(async () => {
      network = await Network.create();
      await startServer(network, "m1", "m1");
      await startServer(network, "m2", "m2");
      untouched = await ruleset();
      haproxy = new RunningHaproxy(network);
      forward = new RunningForward(network, settings(kind));
      await forward.start();
    });

    after(async () => {
      await haproxy?.clear();
      await network?.clear();
    });

    for (const from of CLIENTS) {
      it(`serves ${NAMES[from]} while HAProxy is down`, async () => {
        assert.equal((await ask(network, from)).body, "m1");
      });
    }

    it("serves IPv6 clients", async () => {
      for (const from of ["cl", "m1"] as const) {
        const sample = await ask(network, from, { address: ADDRESS6.m1 });
        assert.equal(sample.body, "m1", `from ${from}: ${sample.error}`);
      }
    });

    it("leaves traffic alone that is routed to the LB port of other hosts", async () => {
      const server = await startServer(network, "m2", "m2 itself", 6444);
      const sample = await ask(network, "pod", { address: ADDRESS.m2 });
      await server.stop();
      assert.equal(sample.body, "m2 itself");
    });

    it("hands over to HAProxy and back without a failed connection, again and again", async function () {
      const loads = CLIENTS.map((from) => new Load(network, from));
      const answered = (name: string) => Promise.all(loads.map((load) => load.answeredBy(name)));
      const inFlight: string[] = [];
      await answered("m1");
      for (const signal of ["SIGUSR1", "SIGKILL", "SIGUSR1"] as const) {
        const counted = loads.map((load) => load.failures().length);
        haproxy.start();
        await answered("m2");
        const up = loads.flatMap((load, index) => load.failures().slice(counted[index]));
        assert.deepEqual(up, [], "no connection fails while HAProxy takes over");
        const gone = await haproxy.end(signal);
        await answered("m1");
        for (const [index, load] of loads.entries()) {
          const lost = load.failures().slice(counted[index]);
          const late = lost.filter((sample) => sample.start >= gone);
          assert.deepEqual(late, [], `after ${signal} at ${gone}, client on ${load.from}`);
          // nothing can save the connection that HAProxy was handling when it ended: at most one
          // per client
          assert.ok(lost.length <= 1, `${signal}: ${JSON.stringify(lost)}`);
          inFlight.push(...lost.map((sample) => `${signal}/${load.from}: ${sample.error}`));
        }
      }
      await Promise.all(loads.map((load) => load.stop()));
      const sent = loads.reduce((sum, load) => sum + load.samples.length, 0);
      console.log(`      ${sent} connections, lost in flight: ${inFlight.join(", ") || "none"}`);
    });

    it("leaves connections to HAProxy while the host's own API server is dead", async () => {
      const server = await startServer(network, "m1", "other", 7443);
      const dead = new RunningForward(network, settings(kind, { apiPort: 7443 }));
      await forward.stop();
      forward = dead;
      await forward.start();
      for (const from of CLIENTS) assert.equal((await ask(network, from)).body, "other");
      await server.stop();
      haproxy.start();
      for (const from of CLIENTS) {
        await waitFor(`m2 for the client on ${from}`, async () => {
          return (await ask(network, from)).body === "m2";
        });
      }
      await haproxy.end("SIGUSR1");
      await forward.stop();
      forward = new RunningForward(network, settings(kind));
      await forward.start();
    });

    it("passes a client that reuses its source port at once to HAProxy", async () => {
      haproxy.start();
      const localPort = 23456;
      await waitFor("m2", async () => (await ask(network, "cl")).body === "m2");
      assert.equal((await ask(network, "cl", { localPort })).body, "m2");
      const waiting = await network.must("m1", [
        ...["ss", "-Htn", "state", "time-wait"],
        `sport = :6444 and dport = :${localPort}`,
      ]);
      assert.match(waiting, /6444/, "HAProxy closed first, so its side waits");
      assert.equal((await ask(network, "cl", { localPort })).body, "m2");
      await haproxy.end("SIGUSR1");
    });

    if (kind === "nftables") {
      it("takes new connections after HAProxy's pre-stop handover, so that none is lost when HAProxy stops", async () => {
        const loads = CLIENTS.map((from) => new Load(network, from));
        const answered = (name: string) => Promise.all(loads.map((load) => load.answeredBy(name)));
        const { forwardSeconds } = PRE_STOP_HANDOVER;
        const under = (uid: number, command: readonly string[]) =>
          network.exec("m1", [
            ...["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"],
            ...command,
          ]);
        /** What kubelet runs in HAProxy's container. Resolves with the time before it. */
        const preStopHandover = async (uid: number) => {
          const requestedAt = Date.now();
          const { code, stderr } = await under(uid, ["sh", "-c", handoverScript()]);
          assert.deepEqual([code, stderr], [0, ""]);
          return requestedAt;
        };
        const byForward = (since: number) =>
          loads.filter((load) =>
            load.samples.some((sample) => sample.start >= since && sample.body === "m1"),
          ).length;
        haproxy.start();
        await answered("m2");
        assert.equal(byForward(await preStopHandover(0)), 0, "another UID in the host's network");
        const said = forward.rules?.output;
        // HAProxy listens all the time, so only the pre-stop handover can send them to m1
        await waitFor("all to be served by the forward", async () => {
          return byForward(await preStopHandover(HAPROXY_UID)) === loads.length;
        });
        const listeners = await network.must("m1", ["ss", "-Hltn", "sport = :6444"]);
        assert.ok(listeners.includes(`${ADDRESS.m1}:6444`), listeners);
        // HAProxy was not stopped: it takes the port back
        await answered("m2");
        assert.equal(forward.rules?.output, said, "the watcher had nothing to repair");
        const lost = await waitFor("a stop within the time of the handover", async () => {
          await answered("m2");
          const counted = loads.map((load) => load.failures().length);
          const requestedAt = await preStopHandover(HAPROXY_UID);
          const took = (await haproxy.end("SIGUSR1")) - requestedAt;
          await answered("m1");
          if (took < forwardSeconds * 1000) {
            return loads.flatMap((load, index) => load.failures().slice(counted[index]));
          }
          haproxy.start();
          return undefined;
        });
        await Promise.all(loads.map((load) => load.stop()));
        assert.deepEqual(lost, []);
      });
    }

    it("leaves HAProxy its connections whatever kubelet connects to for a pod's probe", async () => {
      const probe = async (port: number) => {
        const requestedAt = Date.now();
        // kubelet is root
        await network.exec("m1", [
          ...["curl", "--silent", "--max-time", "1", "--output", "/dev/null"],
          `http://${PRE_STOP_HANDOVER.address}:${port}/`,
        ]);
        return requestedAt;
      };
      haproxy.start();
      const load = new Load(network, "cl");
      try {
        await load.answeredBy("m2");
        for (const port of [1, PRE_STOP_HANDOVER.port, 6444, 6445]) {
          const since = await probe(port);
          await load.answeredBy("m2");
          const passedBy = load.samples.filter(
            ({ start, body }) => start >= since && body === "m1",
          );
          assert.deepEqual(passedBy, [], `port ${port}`);
        }
      } finally {
        await load.stop();
        await haproxy.end("SIGUSR1");
      }
    });

    if (kind !== "socat") {
      it("takes connections to the own address and the endpoint's, not to other addresses of the host", async () => {
        const [endpoint, other] = ["10.91.0.100", "10.91.0.101"];
        await forward.stop();
        forward = new RunningForward(network, settings(kind, { endpointAddresses: [endpoint] }));
        await forward.start();
        const lo = (verb: string, address: string) =>
          network.must("m1", ["ip", "address", verb, `${address}/32`, "dev", "eth0"]);
        for (const address of [endpoint, other]) await lo("add", address);
        const answer = async (address: string) => {
          const { body, error } = await ask(network, "cl", { address });
          return body ?? error;
        };
        try {
          await forward.listener?.stop("SIGTERM");
          assert.deepEqual([await answer(ADDRESS.m1), await answer(endpoint)], ["m1", "m1"]);
          assert.equal(await answer(other), "ECONNREFUSED", "the rules leave it to others");
          forward.startListener();
          await waitFor("listener", () => forward.listenerWorks());
          assert.equal((await ask(network, "m1", { address: endpoint })).body, "m1");
          // nothing else can tell the listener's connections apart
          if (kind === "nftables") assert.equal(await answer(other), "ECONNREFUSED");
        } finally {
          for (const address of [endpoint, other]) await lo("delete", address);
          await forward.stop();
          forward = new RunningForward(network, settings(kind));
          await forward.start();
        }
      });

      it("serves by its rules alone, and by its listener alone", async () => {
        await forward.listener?.stop("SIGTERM");
        for (const from of ["cl", "pod"] as const) {
          assert.equal((await ask(network, from)).body, "m1", "by the rules");
        }
        forward.startListener();
        await waitFor("listener", () => forward.listenerWorks());
        await forward.rules?.stop("SIGKILL");
        await network.must("m1", forward.command("forward-rules", "remove"));
        assert.equal(await forward.rulesWork(), false);
        for (const from of CLIENTS) assert.equal((await ask(network, from)).body, "m1");
        const job = forward.startRules();
        await waitFor("rules", () => job.output.includes("new connections"));
      });

      it("restores the rules after a flush without a failed new connection", async () => {
        const loads = CLIENTS.map((from) => new Load(network, from));
        await Promise.all(loads.map((load) => load.answeredBy("m1")));
        const times: number[] = [];
        const flushes = [
          ["nft", "flush", "ruleset"],
          kind === "nftables"
            ? ["nft", "delete", "table", "inet", "control_plane_lb"]
            : ["iptables", "-t", "nat", "-F"],
        ];
        for (const flush of flushes) {
          const counted = loads.map((load) => load.failures().length);
          await network.must("m1", flush);
          const flushed = Date.now();
          await waitFor("rules after the flush", () => forward.rulesWork());
          times.push(Date.now() - flushed);
          await Promise.all(loads.map((load) => load.answeredBy("m1")));
          for (const [index, load] of loads.entries()) {
            const late = load
              .failures()
              .slice(counted[index])
              .filter((sample) => sample.start >= flushed);
            assert.deepEqual(late, [], `${flush.join(" ")}, client on ${load.from}`);
          }
        }
        await Promise.all(loads.map((load) => load.stop()));
        console.log(`      the rules were back after ${times.join(" and ")} ms`);
        assert.ok(Math.max(...times) < 30_000);
      });

      it("serves when the host's own address is IPv6", async () => {
        await forward.stop();
        const six = settings(kind, { ownAddress: { from: "subnet", subnet: "fd91::/64" } });
        forward = new RunningForward(network, six);
        await forward.start();
        for (const from of CLIENTS) assert.equal((await ask(network, from)).body, "m1");
        await forward.listener?.stop("SIGTERM");
        const sample = await ask(network, "cl", { address: ADDRESS6.m1 });
        assert.equal(sample.body, "m1", `by the rules: ${sample.error}`);
        await forward.stop();
        forward = new RunningForward(network, settings(kind));
        await forward.start();
      });
    }

    it("lets only the allowed sources and the host itself reach LB port and health port", async () => {
      await forward.stop();
      forward = new RunningForward(
        network,
        settings(kind, { allow: [`${ADDRESS.cl}/32`, `${ADDRESS6.cl}/128`] }),
      );
      await forward.start();
      const check = async (name: string) => {
        for (const from of ["cl", "m1"] as const) {
          assert.equal((await ask(network, from)).body, name, `from ${from}`);
        }
        for (const port of [6444, 6445]) {
          const { error } = await ask(network, "pod", { port, timeoutMs: 2000 });
          assert.equal(error, "Error: timeout", `port ${port}`);
        }
        // nothing listens there
        assert.equal((await ask(network, "cl", { port: 6445 })).error, "ECONNREFUSED");
      };
      await check("m1");
      assert.equal((await ask(network, "cl", { address: ADDRESS6.m1 })).body, "m1");
      const stranger = await ask(network, "m2", { address: ADDRESS6.m1, timeoutMs: 2000 });
      assert.equal(stranger.error, "Error: timeout");
      haproxy.start();
      await waitFor("m2", async () => (await ask(network, "cl")).body === "m2");
      await check("m2");
      await haproxy.end("SIGUSR1");
    });

    it("leaves nothing in the kernel when it is removed", async () => {
      assert.notEqual(await ruleset(), untouched);
      await forward.stop();
      assert.equal(await ruleset(), untouched);
      assert.equal((await ask(network, "cl")).error, "ECONNREFUSED");
    });
  });
}
