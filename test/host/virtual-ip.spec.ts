import assert from "node:assert/strict";
import type { VirtualIpSettings } from "../../host/virtual-ip/virtual-ip-settings";
import { IPV4, IPV6, VirtualIpNetwork, type VirtualIpHost } from "./support/virtual-ip";
import { waitFor } from "./support/wait";

/** Connect timeout of clients that count on their kernel, which sends a SYN again after 1 s. */
const PATIENT_MS = 5000;

const VIRTUAL = "10.94.0.100";

function settings(more: Partial<VirtualIpSettings> = {}): VirtualIpSettings {
  return {
    address: VIRTUAL,
    routerId: 51,
    ports: { lb: 6444, health: 6445 },
    ownAddress: { from: "interface", interface: "eth0", not: [VIRTUAL] },
    behind: "service",
    ...more,
  };
}

describe("the virtual IP, by the real keepalived", function () {
  this.timeout(300_000);
  let network: VirtualIpNetwork;
  let hosts: readonly VirtualIpHost[];

  before(async () => {
    network = await VirtualIpNetwork.create(IPV4);
    hosts = await Promise.all([0, 1, 2].map((index) => network.add(index, settings())));
    for (const host of hosts) {
      host.startHaproxy(IPV4.api);
      host.startUnit();
      host.startWatch();
    }
  });
  after(() => network?.clear());

  afterEach(function () {
    if (this.currentTest?.state === "failed") {
      for (const host of hosts) console.log(`--- ${host.name}\n${host.output.slice(-3000)}`);
    }
  });

  const others = (host: VirtualIpHost) => hosts.filter((other) => other !== host);
  const allServe = () =>
    waitFor("all to serve", () => hosts.every((host) => host.serves() === "yes"));

  /** Moves of the address, by who holds it, while something runs. */
  const holdersDuring = async (task: () => Promise<unknown>) => {
    const seen: string[] = [];
    let done = false;
    const look = (async () => {
      while (!done) {
        const names = (await network.holders()).map(({ name }) => name).join("+");
        if (names !== seen.at(-1)) seen.push(names);
      }
    })();
    await task().finally(() => (done = true));
    await look;
    return seen;
  };
  /** Something happens to the holder under requests: who holds the address then, and the gap. */
  const move = async (
    what: string,
    act: (holder: VirtualIpHost) => Promise<void> | void,
    connectMs = 200,
  ) => {
    await allServe();
    const holder = await network.holder();
    const requests = network.requests(VIRTUAL, connectMs);
    await requests.served();
    const since = Date.now();
    await act(holder);
    const next = await waitFor("another holder", async () => {
      const holders = await network.holders();
      return holders.find((host) => host !== holder);
    });
    await requests.served();
    await requests.stop();
    const gap = requests.gap(since);
    const failed = requests.failures(since);
    const causes = [...new Set(failed.map(({ error }) => error))].join(", ");
    console.log(`      ${what}: gap ${gap} ms, failed ${failed.length} (${causes})`);
    return { holder, next, gap, failed };
  };

  it("has one holder after a cold start of all hosts, and serves", async () => {
    await allServe();
    const requests = network.requests(VIRTUAL);
    await requests.served();
    await requests.stop();
    assert.equal((await network.holders()).length, 1);
  });

  it("moves without a failed connection when keepalived stops in order", async () => {
    // there are always requests in flight
    network.api("slow 200 200");
    const { holder, failed } = await move("stop", (each) => each.stopUnit(), PATIENT_MS);
    network.api("good");
    holder.startUnit();
    assert.deepEqual(failed, []);
  });

  it("stays with the next holder when the former one is back", async () => {
    const next = await network.holder();
    const seen = await holdersDuring(async () => {
      const back = () => hosts.every((host) => host === next || host.state() === "BACKUP");
      await waitFor("keepalived on all", back);
      const requests = network.requests(VIRTUAL);
      await requests.served(40);
      await requests.stop();
    });
    assert.deepEqual(seen, [next.name]);
  });

  it("lets new connections wait before the address leaves in order, and leaves no rule", async () => {
    await allServe();
    const holder = await network.holder();
    await holder.must("/opt/control-plane-lb/6444/virtual-ip", "drain");
    const requests = network.requests(VIRTUAL, 300);
    await waitFor("requests", () => requests.all.length > 5);
    await requests.stop();
    assert.deepEqual([...new Set(requests.all.map(({ error }) => error))], ["no connection"]);
    await holder.stopUnit();
    assert.equal(await holder.must("nft", "list", "tables"), "");
    holder.startUnit();
  });

  it("moves when the holder's cable is cut, and stays when it is mended", async () => {
    const { holder, next } = await move("cable cut", (each) => network.cable(each, "down"));
    assert.equal(await holder.holds(), false);
    await network.cable(holder, "up");
    assert.deepEqual(await holdersDuring(allServe), [next.name]);
  });

  it("leaves no address behind when keepalived is killed", async () => {
    const { holder } = await move(
      "keepalived killed",
      (each) => void process.kill(each.keepalived("vrrp"), "SIGKILL"),
    );
    assert.equal(await holder.holds(), false);
  });

  it("leaves no address behind for 2 s when keepalived hangs", async () => {
    let since = 0;
    const { holder } = await move("keepalived hangs", async (each) => {
      since = Date.now();
      for (const which of ["main", "vrrp"] as const)
        process.kill(each.keepalived(which), "SIGSTOP");
      await waitFor("the address to leave", async () => !(await each.holds()));
      console.log(`      it left after ${Date.now() - since} ms`);
    });
    assert.equal(await holder.holds(), false);
  });

  it("moves when HAProxy hangs on the holder", async () => {
    const { holder } = await move("HAProxy hangs", (each) => each.signalHaproxy("SIGSTOP"));
    holder.signalHaproxy("SIGCONT");
    await allServe();
  });

  it("moves when HAProxy is gone on the holder", async () => {
    const { holder } = await move("HAProxy gone", (each) => each.signalHaproxy("SIGKILL"));
    holder.startHaproxy(IPV4.api);
    await allServe();
  });

  it("moves before HAProxy stops, without a failed connection", async () => {
    network.api("slow 200 200");
    const { holder, failed } = await move(
      "hand-over",
      async (each) => {
        await each.must("/opt/control-plane-lb/6444/virtual-ip", "hand-over");
        each.signalHaproxy("SIGUSR1");
      },
      PATIENT_MS,
    );
    network.api("good");
    holder.startHaproxy(IPV4.api);
    await allServe();
    assert.deepEqual(failed, []);
  });

  it("stays while the API is slow everywhere", async () => {
    await allServe();
    const holder = await network.holder();
    const seen = await holdersDuring(async () => {
      network.api("slow 500 900");
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      network.api("good");
      await allServe();
    });
    assert.deepEqual(seen, [holder.name]);
  });

  it("stays while no API server answers", async () => {
    await allServe();
    const holder = await network.holder();
    const seen = await holdersDuring(async () => {
      network.api("slow 20000 20000");
      await waitFor("all not to serve", () => hosts.every((host) => host.serves() !== "yes"));
      await new Promise((resolve) => setTimeout(resolve, 3000));
      network.api("good");
      await allServe();
    });
    assert.deepEqual(seen, [holder.name]);
  });

  it("has a holder on each side of a partition, and one when it heals", async () => {
    await allServe();
    const holder = await network.holder();
    await network.connect(holder, "br1");
    await waitFor("a holder on both sides", async () => (await network.holders()).length === 2);
    const healed = Date.now();
    await network.connect(holder, "br0");
    await network.holder();
    console.log(`      one holder ${Date.now() - healed} ms after the partition has healed`);
    const requests = network.requests(VIRTUAL);
    await requests.served();
    await requests.stop();
  });

  for (const order of [
    [2, 0, 1],
    [1, 2, 0],
  ]) {
    it(`has one holder after a start in the order ${order.map((each) => each + 1).join()}`, async () => {
      await Promise.all(hosts.map((host) => host.stopUnit()));
      assert.deepEqual(await network.holders(), []);
      for (const index of order) {
        hosts[index]?.startUnit();
        await waitFor("keepalived", () => /MASTER|BACKUP/.test(hosts[index]?.state() ?? ""));
      }
      await network.holder();
      const requests = network.requests(VIRTUAL);
      await requests.served();
      await requests.stop();
    });
  }

  it("moves when the holder loses its power", async () => {
    const { holder } = await move("power off", (each) => each.powerOff());
    assert.equal((await network.holder()) === holder, false);
    assert.equal(others(holder).length, 2);
  });
});

describe("a virtual IP of IPv6", function () {
  this.timeout(300_000);
  const address = "fd94::100";
  const six = settings({
    address,
    ownAddress: { from: "interface", interface: "eth0", not: [address] },
  });
  let network: VirtualIpNetwork;
  let first: VirtualIpHost;
  let second: VirtualIpHost;

  before(async () => {
    network = await VirtualIpNetwork.create(IPV6);
    first = await network.add(0, six, []);
    second = await network.add(1, six, IPV6.hosts);
  });
  after(() => network?.clear());

  const start = (host: VirtualIpHost) => {
    host.startHaproxy(IPV6.api);
    host.startUnit();
    host.startWatch();
  };

  it("is held by a host without peers, which sends no multicast", async () => {
    start(first);
    assert.equal(await network.holder(), first);
    assert.deepEqual(await network.advertisements(2), []);
    const requests = network.requests(address);
    await requests.served();
    await requests.stop();
  });

  it("is not taken by a new host that the holder does not know: it says why", async () => {
    start(second);
    await waitFor("the reason", () =>
      second.waiting().includes("and no VRRP advertisement of it reaches this host"),
    );
    assert.match(second.waiting(), /^[0-9a-f:]{17} answers for fd94::100/);
    assert.deepEqual(await network.holders(), [first]);
  });

  it("has a second host once the holder knows it, without a failed connection", async () => {
    const requests = network.requests(address);
    await requests.served();
    first.know(IPV6.hosts);
    await waitFor("the second host", () => second.state() === "BACKUP");
    assert.deepEqual(await network.holders(), [first]);
    await requests.stop();
    assert.deepEqual(requests.failures(), []);
  });

  it("moves when its holder loses its power", async () => {
    await waitFor("both to serve", () => [first, second].every((host) => host.serves() === "yes"));
    await first.powerOff();
    await waitFor("the second host", () => second.holds());
    const requests = network.requests(address);
    await requests.served();
    await requests.stop();
  });

  it("does not start beside another virtual IP with its router id: it names the source", async () => {
    const other = await network.add(2, { ...six, address: "fd94::200" }, IPV6.hosts);
    start(other);
    await waitFor("the reason", () => other.waiting().includes("another router id"));
    assert.match(
      other.waiting(),
      /^router id 51 is used for another virtual IP by \[?[0-9a-f:]*94[0-9a-f:]*12\]?: choose another router id/,
    );
    assert.deepEqual(await network.holders(), [second]);
  });
});
