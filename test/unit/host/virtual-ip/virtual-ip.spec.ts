import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hexBytes } from "../../../../host/virtual-ip/neighbours";
import { keepalivedConfig } from "../../../../host/virtual-ip/keepalived-config";
import {
  ADVERTISEMENT_SECONDS,
  derivedRouterId,
  PRIORITY,
  SERVING,
} from "../../../../host/virtual-ip/virtual-ip-settings";
import { virtualIpSettings } from "../example-parts";

/** keepalived.conf of a host. */
function config(own: string, peers: readonly string[], address = "10.0.0.100"): string {
  const script = `own=${own} nic=eth0 peers='${peers.join("\n")}'
${keepalivedConfig(virtualIpSettings({ address }))}
keepalived_config`;
  return execFileSync("sh", ["-eu", "-c", script], { encoding: "utf8" });
}

const priority = (text: string) => Number(/priority (\d+)/.exec(text)?.[1]);

const THREE = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];

describe("keepalived.conf", () => {
  it("names the other hosts as unicast peers", () => {
    assert.match(
      config("10.0.0.11", ["10.0.0.12", "10.0.0.13"]),
      /unicast_src_ip 10\.0\.0\.11\n {2}unicast_peer \{\n {4}10\.0\.0\.12\n {4}10\.0\.0\.13\n {2}\}/,
    );
  });

  it("never has an empty list of peers, with which keepalived would use multicast", () => {
    assert.match(config("10.0.0.11", []), /unicast_peer \{\n {4}127\.0\.64\.46\n {2}\}/);
    assert.match(config("fd00::11", [], "fd00::100"), /unicast_peer \{\n {4}::1\n {2}\}/);
  });

  it("gives every host a priority of its own", () => {
    const of = (own: string) =>
      priority(
        config(
          own,
          THREE.filter((each) => each !== own),
        ),
      );
    assert.deepEqual(THREE.map(of), [61, 31, 16]);
  });

  it("adds the address so that no host takes it for its own", () => {
    assert.match(config("10.0.0.11", []), /10\.0\.0\.100\/32 dev eth0\n/);
    assert.match(config("fd00::11", [], "fd00::100"), /fd00::100\/128 dev eth0 preferred_lft 0\n/);
  });
});

describe("the priority of a host", () => {
  const { least, firstPlace, holds, serves } = PRIORITY;

  it("is below VRRP's limit", () => assert.ok(least + firstPlace + holds + serves < 254));

  it("is higher for a host that serves than for a holder that does not", () => {
    assert.ok(least + serves > least + firstPlace + holds);
  });

  it("is higher for the holder than for any other host that serves", () => {
    assert.ok(least + serves + holds > least + serves + firstPlace);
  });

  it("falls later on the holder when all lose their answers at once", () => {
    const tick = 10;
    const earliest = SERVING.lost.holder - SERVING.every;
    const latest = SERVING.lost.others + tick;
    const takeOver = 3 * ADVERTISEMENT_SECONDS * 100;
    assert.ok(latest - earliest < takeOver, "the others fall before they could take over");
  });
});

describe("the router id", () => {
  it("is from 1 to 255, and differs between stacks and addresses", () => {
    const ids = Array.from({ length: 2000 }, (_, index) =>
      derivedRouterId(`s${index}`, "10.0.0.1"),
    );
    assert.ok(ids.every((id) => Number.isInteger(id) && id >= 1 && id <= 255));
    assert.ok(new Set(ids).size > 250);
    assert.notEqual(derivedRouterId("s", "10.0.0.1"), derivedRouterId("s", "10.0.0.2"));
    assert.equal(derivedRouterId("s", "10.0.0.1"), derivedRouterId("s", "10.0.0.1"));
  });
});

describe("an address in a VRRP packet", () => {
  for (const [address, bytes] of Object.entries({
    "10.0.0.100": "0a 00 00 64",
    "fd00::100": "fd 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00",
    "2001:db8:1:2:3:4:5:6": "20 01 0d b8 00 01 00 02 00 03 00 04 00 05 00 06",
    "::1": "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01",
  })) {
    it(address, () => assert.equal(hexBytes(address), bytes));
  }
});
