import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ForwardKind } from "../../host/forward/forward-part";
import { reachabilityScript, type Reachability } from "../../host/reachability";
import { RunningForward, RunningHaproxy } from "./support/forward";
import { ask, startServer } from "./support/load";
import { ADDRESS, ADDRESS6, Network } from "./support/network";
import { waitFor } from "./support/wait";

const M1 = { name: "m1", address: ADDRESS.m1 };
const M2 = { name: "m2", address: ADDRESS.m2 };
const CLOSED = `m2-reachability: m1 (${ADDRESS.m1}) cannot be reached on the LB port 6444 from this host: open the firewall of m1, and of the network between, for TCP 6444\n`;

/** What happens to packets for the LB port behind the forward's rules. */
const FIREWALL = (verdict: string) =>
  `table inet firewall { chain input { type filter hook input priority 0; tcp dport 6444 ${verdict}; }; }`;

describe("the LB port as other hosts reach it", function () {
  this.timeout(300_000);
  let network: Network;
  const folder = mkdtempSync(path.join(tmpdir(), "reachability-test-"));

  beforeEach(async () => {
    network = await Network.create();
    await startServer(network, "m1", "m1");
    await startServer(network, "m2", "m2");
  });
  afterEach(() => network?.clear());
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the script on m2. */
  const look = (changes: Partial<Reachability> = {}) => {
    const settings = { node: "m2", lbPort: 6444, targets: [M1, M2], ...changes };
    return network.exec("m2", ["sh", "-s", "--", "apply"], reachabilityScript(settings));
  };
  const block = (verdict: string) => network.must("m1", ["nft", "-f", "-"], FIREWALL(verdict));
  const opens = async (changes: Partial<Reachability> = {}) => {
    const { code, stderr, stdout } = await look(changes);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "m2-reachability: the LB port 6444 of m1 is open\n");
    assert.equal(stderr, "");
  };
  const isClosed = async (changes: Partial<Reachability> = {}) => {
    const { code, stderr } = await look(changes);
    assert.deepEqual([code, stderr], [1, CLOSED]);
  };

  for (const kind of ["nftables", "iptables", "socat"] satisfies ForwardKind[]) {
    it(`is found closed by a firewall behind a forward by ${kind} that still serves`, async () => {
      const forward = new RunningForward(network, {
        ...{
          kind,
          lbPort: 6444,
          apiPort: 6443,
          healthPort: 6445,
          ownAddress: { from: "route" },
          allow: [],
        },
      });
      await forward.start();
      const forwardTo = 6443;
      await opens({ forwardTo });
      await opens({ forwardTo, targets: [{ ...M1, address: ADDRESS6.m1 }, M2] });
      const haproxy = new RunningHaproxy(network);
      haproxy.start();
      await waitFor("HAProxy", async () => (await ask(network, "cl")).body === "m2");
      await opens({ forwardTo });
      await haproxy.end("SIGUSR1");
      await block("drop");
      // with the DNAT of the forward the firewall sees the API port
      if (kind !== "socat") assert.equal((await ask(network, "cl")).body, "m1");
      await isClosed({ forwardTo });
      await forward.stop();
      await haproxy.clear();
    });
  }

  it("is found closed by a firewall in front of a service, by drop and by reject", async () => {
    const haproxy = new RunningHaproxy(network);
    haproxy.start();
    await waitFor("HAProxy", async () => (await ask(network, "cl")).body === "m2");
    await opens();
    for (const verdict of ["drop", "reject with icmpx admin-prohibited", "reject with tcp reset"]) {
      await block(verdict);
      await isClosed();
      await network.must("m1", ["nft", "delete", "table", "inet", "firewall"]);
    }
    await haproxy.end("SIGUSR1");
    await haproxy.clear();
  });

  it("counts as open where HAProxy has no server and closes at once", async () => {
    const haproxy = new RunningHaproxy(
      network,
      [`${ADDRESS.m1}:6444`],
      ["  tcp-request connection reject"],
    );
    haproxy.start();
    await waitFor("HAProxy", async () => /6444/.test(await network.must("m1", ["ss", "-Hltn"])));
    await opens();
    await haproxy.end("SIGUSR1");
    await haproxy.clear();
  });

  it("of a host that is down is no matter of a firewall", async () => {
    await network.must("m1", ["ip", "link", "set", "eth0", "down"]);
    const { code, stderr } = await look({ forwardTo: 6443 });
    assert.deepEqual(
      [code, stderr],
      [
        0,
        `m2-reachability: m1 (${ADDRESS.m1}) answers on neither port: its LB port is not checked\n`,
      ],
    );
  });
});
