import assert from "node:assert/strict";
import { underLoad, waitUntilHealthy, type ScenarioContext } from "../../../e2e/scenario/scenarios";
import { DemoCluster } from "../../../e2e/scenario/lab-cluster";
import { clusterConfig } from "../../../e2e/scenario/lab-stack";
import { DEFAULT_PORTS } from "../../../names";
import { Engine } from "../../../pulumi-test-utils/src/index";
import { program } from "../../../stacks/program";
import { exitCode } from "../../../status/report";
import {
  assertNothingFailed,
  CONTROL_PLANE_NODES,
  type ControlPlane,
} from "../cluster/control-plane";
import { traces } from "../support";
import { askForeign, difference, snapshot, type Snapshot } from "./own-hosts";
import { powerCut } from "./power";

/**
 * A host of HAProxy dies; the other one leaves, when HAProxy on the control-plane nodes has taken over; in the end this leaves too.
 * @param bare what the hosts were before HAProxy came to them
 */
export function life(plane: () => ControlPlane, bare: Map<string, Snapshot>): void {
  let next: Engine | undefined;
  after(() => next?.dispose());

  /** HAProxy on the control-plane nodes. */
  const onControlPlaneNodes = (): ScenarioContext => ({
    ...plane().context,
    cluster: new DemoCluster(plane().lab, DEFAULT_PORTS, CONTROL_PLANE_NODES, "external"),
  });

  it("goes on without a host that is dead for good: lost, then taken out", async () => {
    const { engine, lab } = plane();
    const rolled = { token: { generation: 2 }, haproxy: { timeouts: { queue: "2500ms" } } };
    await lab.powerOff("w2", { hard: true });
    for (const w2 of [{ lost: true }, undefined]) {
      plane().configure(CONTROL_PLANE_NODES, { ...rolled, loadBalancers: { w2 } });
      const report = await plane().underLoad("w2 is dead", () => engine.up());
      assertNothingFailed(report);
    }
    const hosts = await plane().status();
    assert.deepEqual([hosts.map(({ name }) => name), exitCode(hosts)], [["w1"], 0]);
  });

  it("moves to HAProxy on the control-plane nodes, a stack of its own, without a failed request", async () => {
    const { lab, engine } = plane();
    const { stdout: admin } = await lab.exec("m1", "cat /etc/kubernetes/admin.conf");
    next = await Engine.create({
      program,
      projectFile: "Pulumi.yaml",
      stack: "control-plane-nodes",
      config: {
        ...clusterConfig(lab, {
          topology: "external",
          bootstrap: "none",
          nodes: plane().nodes(CONTROL_PLANE_NODES),
          kubeadm: undefined,
        }),
        kubeconfig: {
          value: admin.replace(/server: .*/, `server: https://${plane().address("m1")}:6443`),
          secret: true,
        },
      },
    });
    const second = next;
    for (const name of CONTROL_PLANE_NODES) bare.set(name, await snapshot(lab, name));
    assertNothingFailed(await plane().underLoad("two stacks", () => second.up()));
    await waitUntilHealthy(onControlPlaneNodes());
    plane().through = CONTROL_PLANE_NODES;
    const moved = await plane().underLoad("the former stack is destroyed", async () => {
      await engine.destroy();
      await second.up({ refresh: true });
      await waitUntilHealthy(onControlPlaneNodes());
      await underLoad(onControlPlaneNodes(), 60);
    });
    assertNothingFailed(moved);
  });

  it("leaves the host of its own as it was before, with the HAProxy that was there", async () => {
    const { lab } = plane();
    assert.equal(await traces(lab, "w1"), "");
    const before = bare.get("w1");
    assert.ok(before !== undefined);
    assert.deepEqual(difference(before, await snapshot(lab, "w1")), []);
    assert.equal(await askForeign(lab, "w1"), "somebody");
  });

  for (const machine of CONTROL_PLANE_NODES) {
    it(`serves through the other masters when the power of ${machine} is cut, and there again when it has booted`, async function () {
      // two cores for five machines: etcd and API servers stall at times, whoever is in front of them; what fails is told, and once is not counted
      this.retries(1);
      await powerCut(plane(), onControlPlaneNodes(), machine);
    });
  }

  it("is destroyed: the cluster stays, of the load balancer there is no trace", async () => {
    const { lab, load } = plane();
    await load.stop();
    await next?.destroy();
    for (const name of CONTROL_PLANE_NODES) {
      assert.equal(await traces(lab, name), "", name);
      const changed = difference(bare.get(name)!, await snapshot(lab, name));
      // the former stack was still there before
      assert.deepEqual(
        changed.filter((line) => !/^- .*control-plane-lb/.test(line)),
        [],
        name,
      );
      await plane().kubectl(name, "get --raw /readyz");
    }
  });
}
