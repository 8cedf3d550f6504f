import assert from "node:assert/strict";
import { COMMAND, recordStack } from "./record-stack";
import { ancestors, assertBefore } from "./support/order";

const ADDRESS = "10.0.0.100";
const virtual = { endpoint: { host: ADDRESS }, virtualIp: { address: ADDRESS } };
const loadBalancers = {
  loadBalancers: { lb1: { address: "10.0.0.21" }, lb2: { address: "10.0.0.22" } },
};

describe("the virtual IP", () => {
  for (const [topology, serving] of [
    ["daemonset", "forward"],
    ["external", "haproxy"],
  ] as const) {
    it(`comes after what serves and before kubeadm, in topology ${topology}`, async () => {
      const recording = await recordStack({ topology, ...virtual });
      assertBefore(recording, "m1-bootstrap", ["m1-virtual-ip", "m2-virtual-ip", "m3-virtual-ip"]);
      for (const host of ["m1", "m2", "m3"]) {
        assertBefore(recording, `${host}-virtual-ip`, [`${host}-${serving}`]);
      }
    });

    it(`starts on no host before all know each other, and then one after the other, in topology ${topology}`, async () => {
      const recording = await recordStack({ topology, ...virtual });
      const peers = ["m1", "m2", "m3"].map((name) => `${name}-virtual-ip-peers`);
      assertBefore(recording, "m1-virtual-ip", peers);
      assertBefore(recording, "m2-virtual-ip", ["m1-virtual-ip"]);
      assert.ok(!ancestors(recording, peers[1] ?? "").has("m1-virtual-ip"));
    });
  }

  it("is on dedicated load-balancer hosts alone, which are its peers", async () => {
    const recording = await recordStack({ topology: "external", ...loadBalancers, ...virtual });
    const names = recording.all(COMMAND).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name.endsWith("-virtual-ip")).sort(), [
      "lb1-virtual-ip",
      "lb2-virtual-ip",
    ]);
    const script = String(recording.find(COMMAND, "lb1-virtual-ip-peers").inputs["stdin"]);
    const peers = Buffer.from("10.0.0.21\n10.0.0.22\n").toString("base64");
    assert.ok(script.includes(peers));
  });

  it("has the same script on every host", async () => {
    const recording = await recordStack(virtual);
    const script = (host: string) => recording.find(COMMAND, `${host}-virtual-ip`).inputs["stdin"];
    assert.equal(typeof script("m1"), "string");
    assert.equal(script("m1"), script("m3"));
  });

  it("is in the certificates of new API servers", async () => {
    const recording = await recordStack({ topology: "external", ...virtual });
    const script = String(recording.find(COMMAND, "m1-bootstrap").inputs["stdin"]);
    assert.match(script, /certSANs:\n( +- .*\n)*? +- "?10\.0\.0\.100/);
  });

  it("is checked on the hosts that can hold it", async () => {
    const recording = await recordStack({ topology: "external", ...loadBalancers, ...virtual });
    const checks = (host: string) =>
      String(recording.find(COMMAND, `${host}-preflight`).inputs["stdin"]).includes(
        "check_virtual_ip",
      );
    assert.deepEqual([checks("lb1"), checks("m1")], [true, false]);
  });
});
