import assert from "node:assert/strict";
import { ownAddressFunctions, type OwnAddress } from "../../host/own-address";
import { RunningForward } from "./support/forward";
import { ask, startServer } from "./support/load";
import { ADDRESS, Network } from "./support/network";
import { waitFor } from "./support/wait";

describe("the host's own address", function () {
  this.timeout(300_000);
  let network: Network;

  before(async () => {
    network = await Network.create();
  });
  after(() => network?.clear());

  const resolve = async (own: OwnAddress) =>
    (await network.must("m1", ["sh", "-eu"], `${ownAddressFunctions(own)}\nown_address\n`)).trim();
  const ip = (...words: string[]) => network.must("m1", ["ip", ...words]);

  it("is the source address of the default route", async () => {
    assert.equal(await resolve({ from: "route" }), ADDRESS.m1);
  });

  it("is the source that the default route of the lowest metric names", async () => {
    await ip("address", "add", "10.91.0.99/24", "dev", "eth0");
    const route = "route add default via 10.91.0.2 dev eth0 src 10.91.0.99 metric 5".split(" ");
    await ip(...route);
    assert.equal(await resolve({ from: "route" }), ADDRESS.m1, "metric 0 comes first");
    await ip("route", "delete", "default", "via", "10.91.0.1");
    assert.equal(await resolve({ from: "route" }), "10.91.0.99");
    await ip("route", "delete", "default");
    await ip("address", "delete", "10.91.0.99/24", "dev", "eth0");
    await ip("route", "add", "default", "via", "10.91.0.1");
  });

  it("is the first global address of an interface, IPv4 before IPv6", async () => {
    assert.equal(await resolve({ from: "interface", interface: "eth0" }), ADDRESS.m1);
    assert.equal(await resolve({ from: "interface", interface: "pod0" }), "10.92.0.1");
    assert.equal(await resolve({ from: "interface", interface: "nosuch0" }), "");
  });

  it("is the address inside a subnet", async () => {
    assert.equal(await resolve({ from: "subnet", subnet: "10.92.0.0/16" }), "10.92.0.1");
    assert.equal(await resolve({ from: "subnet", subnet: "fd91::/64" }), "fd91::11");
    assert.equal(await resolve({ from: "subnet", subnet: "172.16.0.0/12" }), "");
  });

  it("is no virtual IP, in whatever order the addresses stand", async () => {
    const inSubnet = { from: "subnet", subnet: "10.91.0.0/24" } as const;
    const own = `${ADDRESS.m1}/24`;
    const assign = async (...addresses: string[]) => {
      await ip("-4", "address", "flush", "dev", "eth0");
      for (const address of addresses) await ip("address", "add", address, "dev", "eth0");
      await ip("route", "replace", "default", "via", "10.91.0.1", "dev", "eth0", "onlink");
    };
    // the kernel lists addresses in the order in which they came
    await assign("10.91.0.100/32", own, "10.91.0.101/24");
    assert.equal(await resolve(inSubnet), ADDRESS.m1);
    assert.equal(await resolve({ from: "interface", interface: "eth0" }), ADDRESS.m1);
    assert.equal(await resolve({ from: "route" }), ADDRESS.m1);
    await assign("10.91.0.101/24", "10.91.0.100/32", own);
    assert.equal(await resolve(inSubnet), "10.91.0.101", "nothing tells the two apart");
    const not = ["10.91.0.1", "10.91.0.101"];
    assert.equal(await resolve({ ...inSubnet, not }), "10.91.0.100");
    not.push("10.91.0.100");
    assert.equal(await resolve({ ...inSubnet, not }), ADDRESS.m1);
    assert.equal(await resolve({ from: "route", not }), ADDRESS.m1);
    await assign("10.91.0.100/32");
    assert.equal(await resolve(inSubnet), "10.91.0.100", "a cloud's only address");
    await assign(own);
  });

  it("may appear late at boot: the programs wait for it, then serve", async () => {
    await startServer(network, "m1", "m1");
    await ip("route", "delete", "default");
    assert.equal(await resolve({ from: "route" }), "");
    const forward = new RunningForward(network, {
      kind: "nftables",
      lbPort: 6444,
      apiPort: 6443,
      healthPort: 6445,
      ownAddress: { from: "route" },
      allow: [],
    });
    const rules = forward.startRules();
    const listener = forward.startListener();
    const waits = /waiting for the source address of the default route/;
    await waitFor("a waiting watcher", () => waits.test(rules.output));
    await waitFor("a waiting listener", () => waits.test(listener.output));
    // without an address they fail after a while, and systemd restarts them
    assert.equal(await rules.ended, 1);
    assert.equal(await listener.ended, 1);
    assert.match(rules.output, /gave up waiting .* systemd restarts this program/);
    await ip("route", "add", "default", "via", "10.91.0.1");
    await forward.start();
    assert.equal((await ask(network, "cl")).body, "m1");
    await forward.stop();
  });
});
