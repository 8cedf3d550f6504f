import assert from "node:assert/strict";
import { LabCluster } from "../../../../e2e/scenario/lab-cluster";
import type { Lab } from "../../../../lab/src/index";
import { ElectionWatch, electionsIn } from "../../../../e2e/scenario/etcd-elections";

const FILE = "/var/log/pods/kube-system_etcd-m1_15a5/etcd/0.log";

/** A line of etcd 3.6 as kubelet's log file has it, printed by `grep -H`. */
function line(time: string, event: string, file = FILE): string {
  const ts = `2026-11-29T${time}Z`;
  return `${file}:${ts} stderr F {"level":"info","ts":"${ts}","logger":"raft","caller":"v3@v3.6.0/node.go:376","msg":"raft.node: 85d9c989786a9942 ${event} leader b8efc8fc068bf140 at term 2"}`;
}

const at = (time: string) => Date.parse(`2026-11-29T${time}Z`);

describe("elections in the log of etcd", () => {
  it("last from 2 s before the leader was lost until the next one is elected", () => {
    const log = [line("03:18:16.444684", "lost"), line("03:18:17.946022", "elected")].join("\n");
    assert.deepEqual(electionsIn(log), [{ from: at("03:18:14.444"), to: at("03:18:17.946") }]);
  });

  it("are none when a member finds its first leader", () => {
    assert.deepEqual(electionsIn(line("03:18:05.846760", "elected")), []);
  });

  it("end with the loss when the container has logged no new leader", () => {
    const other = FILE.replace("0.log", "1.log");
    const log = [line("03:18:16.000", "lost"), line("03:30:00.000", "elected", other)].join("\n");
    assert.deepEqual(electionsIn(log), [{ from: at("03:18:14.000"), to: at("03:18:16.000") }]);
  });

  it("are none in an empty log", () => {
    assert.deepEqual(electionsIn(""), []);
  });
});

describe("a watch of elections", () => {
  it("keeps those in the log of a machine that is gone, and each only once", async () => {
    const text = [line("03:18:16.000", "lost"), line("03:18:17.000", "elected")].join("\n");
    const logs = new Map([
      ["m1", text],
      ["m2", text],
    ]);
    const lab = {
      get machines() {
        return [...logs.keys()].map((name) => ({ name, role: "controlPlane" }));
      },
      exec: (name: string) => Promise.resolve({ stdout: logs.get(name) ?? "" }),
    } as unknown as Lab;
    const watch = new ElectionWatch(new LabCluster(lab, { lb: 1, api: 2, health: 3 }));
    logs.set("m2", "");
    await new Promise(setImmediate);
    logs.delete("m1");
    const elections = await watch.stop();
    assert.deepEqual(elections, [{ from: at("03:18:14.000"), to: at("03:18:17.000") }]);
  });
});
