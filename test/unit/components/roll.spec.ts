import assert from "node:assert/strict";
import { untilRolled, type RollTimes } from "../../../components/cluster/roll";
import { ended, FakeView, goal, node, OLD, pod } from "./cluster-fixtures";

const TIMES: RollTimes = { pollMs: 1, brokenMs: 5, heldUpMs: 5 };
const ALL = ["m1", "m2", "m3"];

describe("following a roll", () => {
  let said: string[];
  let warned: string[];

  const follow = (view: FakeView, podSeconds = goal.podSeconds): Promise<void> => {
    [said, warned] = [[], []];
    const report = {
      say: (text: string) => void said.push(text),
      warn: (text: string) => void warned.push(text),
    };
    return untilRolled(view, { ...goal, podSeconds }, report, TIMES);
  };
  const former = (name: string) => pod(name, { template: OLD });

  it("ends when every node has a new pod that works", async () => {
    const view = new FakeView([
      { pods: ALL.map(former) },
      new Error("refused"),
      { pods: ALL.map((name) => pod(name)) },
    ]);
    await follow(view);
    assert.deepEqual([warned, view.deleted], [[], []]);
    assert.match(said[0] ?? "", /^0 of 3 nodes have the new pod; m1: pod haproxy-m1 is not/);
    assert.equal(said.at(-1), "3 of 3 nodes have the new pod");
  });

  it("replaces the pods that a node that is off holds up, one after the other, and warns", async () => {
    const nodes = [node("m1"), node("m2"), node("m3", "Unknown")];
    const view = new FakeView([{ nodes, pods: ALL.map(former) }]);
    const deletePod = view.deletePod.bind(view);
    view.deletePod = async (name) => {
      await deletePod(name);
      const replaced = ALL.map((each) =>
        view.deleted.includes(`haproxy-${each}`) ? pod(each) : former(each),
      );
      view.read = () => new FakeView([{ nodes, pods: replaced }]).read();
    };
    await follow(view);
    assert.deepEqual(view.deleted, ["haproxy-m1", "haproxy-m2"]);
    assert.match(warned.join(), /^m3 is off: its kubelet does not report/);
  });

  it("fails at a new pod that does not recover, and says what to do", async () => {
    const view = new FakeView([
      { pods: [pod("m1", { ready: false, containers: ended }), former("m2"), former("m3")] },
    ]);
    await assert.rejects(follow(view), /m1: pod haproxy-m1: container updater.*run pulumi up$/);
    assert.deepEqual(view.deleted, []);
  });

  it("fails when nothing changes for the time that one pod may take", async () => {
    const view = new FakeView([{ pods: [pod("m1", { ready: false }), former("m2")] }]);
    await assert.rejects(follow(view, 0.01), /0 of 3 nodes have the new pod; m1: pod haproxy-m1/);
  });

  it("fails when the API does not answer for so long, with the reason", async () => {
    const view = new FakeView([new Error("connect ECONNREFUSED")]);
    await assert.rejects(follow(view, 0.01), /the API does not answer: connect ECONNREFUSED/);
  });

  it("fails when no Node is a control-plane node: 0 desired pods are no success", async () => {
    const view = new FakeView([{ nodes: [], pods: [], desired: 0 }]);
    await assert.rejects(
      follow(view),
      /no Node has the label node-role.kubernetes.io\/control-plane/,
    );
  });

  it("warns of a configured node that is none of the Nodes", async () => {
    const nodes = [node("m1"), node("m2")];
    await follow(new FakeView([{ nodes, pods: [pod("m1"), pod("m2")], desired: 2 }]));
    assert.match(warned.join(), /^m3 has no pod: no Node of this name or address has the label/);
  });

  it("fails when the cluster has the DaemonSet of somebody else", async () => {
    const view = new FakeView([{ pods: ALL.map((name) => pod(name)) }], "template-other");
    await assert.rejects(follow(view), /not the one of this program: run pulumi up --refresh/);
  });
});
