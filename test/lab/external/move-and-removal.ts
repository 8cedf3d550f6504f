import assert from "node:assert/strict";
import {
  waitForRequests,
  waitUntilHealthy,
  type ScenarioContext,
} from "../../../e2e/scenario/context";
import { LabCluster } from "../../../e2e/scenario/lab-cluster";
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
import { refuses, traces } from "../support";
import { getFromForeignHaproxy, difference, snapshot, type Snapshot } from "./load-balancer-hosts";
import { cutAndRestorePower } from "./power-cuts";

/** The first stack gives the cluster up: its ConfigMap no longer says whose it is. */
const GIVE_UP =
  "-n kube-system annotate configmap haproxy-backends control-plane-lb/stack- pulumi.com/patchFieldManager-";

/**
 * A load-balancer host dies; HAProxy on the control-plane nodes replaces the other one; then this
 * is destroyed too.
 * @param bare the snapshots of the hosts before HAProxy was installed
 */
export function moveAndRemoval(plane: () => ControlPlane, bare: Map<string, Snapshot>): void {
  let next: Engine | undefined;
  after(() => next?.dispose());

  /** The context with HAProxy on the control-plane nodes. */
  const onControlPlaneNodes = (): ScenarioContext => ({
    ...plane().context,
    cluster: new LabCluster(plane().lab, DEFAULT_PORTS, CONTROL_PLANE_NODES, "external"),
  });

  it("removes a dead load-balancer host (lost, then taken out) without a failed request", async () => {
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

  it("refuses a second stack by the name of the first, then moves to it, with HAProxy on the control-plane nodes without a failed request", async () => {
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
    await refuses(second.up(), /annotations\.control-plane-lb\/stack/);
    await plane().kubectl("m1", GIVE_UP);
    for (const name of CONTROL_PLANE_NODES) bare.set(name, await snapshot(lab, name));
    assertNothingFailed(await plane().underLoad("two stacks", () => second.up()));
    await waitUntilHealthy(onControlPlaneNodes());
    plane().through = CONTROL_PLANE_NODES;
    const moved = await plane().underLoad("the first stack is destroyed", async () => {
      await engine.destroy();
      await second.up({ refresh: true });
      await waitUntilHealthy(onControlPlaneNodes());
      await waitForRequests(onControlPlaneNodes(), 60);
    });
    assertNothingFailed(moved);
  });

  it("restores the load-balancer host with its foreign HAProxy after destroy", async () => {
    const { lab } = plane();
    assert.equal(await traces(lab, "w1"), "");
    const before = bare.get("w1");
    assert.ok(before !== undefined);
    assert.deepEqual(difference(before, await snapshot(lab, "w1")), []);
    assert.equal(await getFromForeignHaproxy(lab, "w1"), "foreign");
  });

  for (const machine of CONTROL_PLANE_NODES) {
    it(`serves through the other nodes while ${machine} has no power, and through all after its boot`, async () => {
      await cutAndRestorePower(plane(), onControlPlaneNodes(), machine);
    });
  }

  it("leaves the cluster and no trace of the load balancer after destroy", async () => {
    const { lab, load } = plane();
    await load.stop();
    await next?.destroy();
    for (const name of CONTROL_PLANE_NODES) {
      assert.equal(await traces(lab, name), "", name);
      const changed = difference(bare.get(name)!, await snapshot(lab, name));
      // the first stack was still installed at the time of the snapshot
      assert.deepEqual(
        changed.filter((line) => !/^- .*control-plane-lb/.test(line)),
        [],
        name,
      );
      await plane().kubectl(name, "get --raw /readyz");
    }
  });
}
