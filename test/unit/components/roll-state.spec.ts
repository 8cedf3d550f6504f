import assert from "node:assert/strict";
import { rollState, type Node, type Pod } from "../../../components/cluster/roll-state";
import { ended, goal, node, NOW, OLD, pod } from "./cluster-fixtures";

const stateOf = (pods: Pod[], nodes: Node[] = ["m1", "m2", "m3"].map((name) => node(name))) =>
  rollState({ pods, nodes, nowMs: NOW }, goal);

describe("the state of a roll", () => {
  it("counts a node whose new pod has been ready for the least time", () => {
    const fresh = pod("m2", { readySeconds: 2 });
    const state = stateOf([pod("m1"), fresh, pod("m3", { template: OLD })]);
    assert.deepEqual(state.updated, ["m1"]);
    assert.deepEqual(state.waiting, [
      { node: "m2", reason: "pod haproxy-m2 has just become ready" },
      { node: "m3", reason: "pod haproxy-m3 is not replaced yet" },
    ]);
  });

  it("waits for a pod that stops, and for one that is not there yet", () => {
    const state = stateOf([pod("m1", { template: OLD, deleting: true }), pod("m2")]);
    assert.deepEqual(state.waiting, [
      { node: "m1", reason: "pod haproxy-m1 stops" },
      { node: "m3", reason: "no pod yet" },
    ]);
  });

  it("names node, pod, container and the last state of a new pod that ends", () => {
    const { broken } = stateOf([pod("m1", { ready: false, containers: ended }), pod("m2")]);
    assert.equal(
      broken?.text,
      "m1: pod haproxy-m1: container updater: CrashLoopBackOff: back-off 20s; it ended with exit code 1: Error, restarted 2 times: no such file",
    );
  });

  it("names an image that cannot be pulled", () => {
    const waiting = { reason: "ErrImagePull", message: "not found" };
    const containers = [{ name: "haproxy", ready: false, state: { waiting } }];
    const { broken } = stateOf([pod("m1", { ready: false, containers })]);
    assert.equal(broken?.text, "m1: pod haproxy-m1: container haproxy: ErrImagePull: not found");
  });

  it("takes a container that starts for no problem", () => {
    const waiting = { reason: "ContainerCreating" };
    const containers = [{ name: "haproxy", ready: false, state: { waiting } }];
    const state = stateOf([pod("m1", { ready: false, containers }), pod("m2"), pod("m3")]);
    assert.equal(state.broken, undefined);
    const reason = "pod haproxy-m1: container haproxy: ContainerCreating";
    assert.deepEqual(state.waiting, [{ node: "m1", reason }]);
  });

  it("does not wait for a node whose kubelet does not report", () => {
    const nodes = [node("m1"), node("m2"), node("m3", "Unknown")];
    const state = stateOf([pod("m1"), pod("m2"), pod("m3", { template: OLD })], nodes);
    assert.deepEqual([state.off, state.waiting], [["m3"], []]);
  });

  it("waits for a node that is merely NotReady: a fresh cluster has no CNI", () => {
    const state = stateOf([pod("m1"), pod("m2")], [node("m1"), node("m2"), node("m3", "False")]);
    assert.deepEqual(state.off, []);
    assert.deepEqual(state.waiting, [{ node: "m3", reason: "no pod yet" }]);
  });

  it("names a former pod that only a node that is off holds up", () => {
    const former = (name: string) => pod(name, { template: OLD });
    const nodes = [node("m1"), node("m2"), node("m3", "Unknown")];
    assert.equal(stateOf([former("m1"), pod("m2")], nodes).heldUp, "haproxy-m1");
    assert.equal(stateOf([former("m1"), pod("m2")]).heldUp, undefined);
    const broken = pod("m2", { ready: false, containers: ended });
    assert.equal(stateOf([former("m1"), broken], nodes).heldUp, undefined);
    const starting = pod("m2", { ready: false });
    assert.equal(stateOf([former("m1"), starting], nodes).heldUp, undefined);
  });

  it("names configured nodes that are no control-plane nodes, by name or address", () => {
    const addresses = [{ type: "InternalIP", address: "10.0.0.12" }];
    const renamed = { ...node("host-2"), status: { ...node("host-2").status, addresses } };
    assert.deepEqual(stateOf([], [node("m1"), renamed]).missing, ["m3"]);
  });
});
