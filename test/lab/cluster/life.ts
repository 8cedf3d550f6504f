import assert from "node:assert/strict";
import { waitUntilHealthy } from "../../../e2e/scenario/scenarios";
import { clusterConfig } from "../../../e2e/scenario/lab-stack";
import { eventually, traces } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

const BACKENDS = "-n kube-system get configmap haproxy-backends -o jsonpath={.data}";

/** Control-plane nodes come, go and are reprovisioned; in the end the load balancer leaves, and comes back to a cluster that exists. */
export function life(plane: () => ControlPlane): void {
  it("takes a fourth control-plane node in without a failed request", async () => {
    plane().configure([...CONTROL_PLANE_NODES, "m4"]);
    const report = await plane().underLoad("grow", async () => {
      await plane().engine.up();
      await eventually("HAProxy on m4", 120, () => plane().haproxyServes("m4"));
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0);
    assert.match(await plane().kubectl("m1", BACKENDS), /m4/);
  });

  it("previews a changed address as an update of that host and its key, and touches no pod", async () => {
    const elsewhere = plane().address("m4").replace(/\d+$/, "99");
    const moved = plane().nodes([...CONTROL_PLANE_NODES, "m4"], { m4: { address: elsewhere } });
    plane().configure(CONTROL_PLANE_NODES, { nodes: moved });
    const { steps } = await plane().engine.preview();
    assert.deepEqual([...new Set(steps.map(({ op }) => op))], ["update"]);
    assert.ok(steps.some(({ name }) => name === "backends-m4"));
    assert.deepEqual(
      steps.filter(({ type }) => /DaemonSet|Provider|ConfigMap$/.test(type)),
      [],
    );
  });

  it("lets the fourth control-plane node go without a failed request", async () => {
    plane().configure(CONTROL_PLANE_NODES);
    // an operator had it out for a moment: Kubernetes takes the key for the operator's from then on
    const { cluster } = plane().context;
    if (/m4/.test(await plane().kubectl("m1", BACKENDS))) {
      for (const value of [null, `${plane().address("m4")}:6443`]) {
        await cluster.patchBackend("m1", "m4", value);
      }
    }
    const report = await plane().underLoad("shrink", async () => {
      const since = Date.now();
      await plane().engine.up();
      // connections to m4 that were kept until its time to drain was over
      const from = since + plane().context.drains.removedMs;
      await plane().load.markKill({ from, to: Date.now(), openedBefore: since });
    });
    assertNothingFailed(report);
    await eventually("Node m4 is gone", 60, async () => {
      return !(await plane().kubectl("m1", "get nodes -o name")).includes("m4");
    });
    assert.doesNotMatch(await plane().kubectl("m1", BACKENDS), /m4/);
    assert.equal(await traces(plane().lab, "m4"), "");
  });

  let generation = 1;
  it("takes a wiped first control-plane node in again: one cluster, the same CA", async () => {
    const ca = await plane().caOf("m2");
    await plane().lab.wipe("m1");
    generation += 1;
    const nodes = plane().nodes(CONTROL_PLANE_NODES, { m1: { generation } });
    plane().configure(CONTROL_PLANE_NODES, { nodes });
    await plane().engine.up();
    assert.equal(await plane().caOf("m1"), ca);
    await eventually("all masters are known", 180, async () => {
      const known = await plane().kubectl("m1", "get nodes -o name");
      return CONTROL_PLANE_NODES.every((name) => known.includes(`node/${name}`));
    });
    await waitUntilHealthy(plane().context);
  });

  it("is destroyed: the cluster stays, of the load balancer there is no trace", async () => {
    await plane().load.stop();
    await plane().engine.destroy();
    await assertNoTrace(plane());
  });

  it("gets a load balancer again as a cluster that exists, by its kubeconfig", async () => {
    const { lab, engine } = plane();
    const { stdout: admin } = await lab.exec("m1", "cat /etc/kubernetes/admin.conf");
    const direct = admin.replace(/server: .*/, `server: https://${plane().address("m1")}:6443`);
    engine.setConfig({
      ...clusterConfig(lab, {
        nodes: plane().nodes(CONTROL_PLANE_NODES),
        bootstrap: "none",
        kubeadm: undefined,
      }),
      kubeconfig: { value: direct, secret: true },
    });
    await engine.up();
    await waitUntilHealthy(plane().context);
    assert.deepEqual((await engine.up()).steps, []);
    await engine.destroy();
    await assertNoTrace(plane());
  });
}

async function assertNoTrace(plane: ControlPlane): Promise<void> {
  for (const { name } of plane.lab.machines) assert.equal(await traces(plane.lab, name), "", name);
  const known = await plane.kubectl("m2", "get nodes -o name");
  for (const name of CONTROL_PLANE_NODES) assert.match(known, new RegExp(`node/${name}\\b`));
  const objects = await plane.kubectl(
    "m2",
    "-n kube-system get all,configmap,serviceaccount,role,rolebinding,secret -o name",
  );
  assert.doesNotMatch(objects, /control-plane-lb|haproxy-backends/);
}
