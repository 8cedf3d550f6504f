import assert from "node:assert/strict";
import { waitUntilHealthy } from "../../../e2e/scenario/context";
import { clusterConfig } from "../../../e2e/scenario/lab-stack";
import { exitCode } from "../../../status/report";
import { waitUntil } from "../../../tools/src/index";
import { traces } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

const BACKENDS = "-n kube-system get configmap haproxy-backends -o jsonpath={.data}";

/** kubelet stops a static pod within this after its manifest has gone. */
const KUBELET_MS = 3000;

/**
 * Control-plane nodes join, leave and are reprovisioned; then the load balancer is destroyed and
 * installed into the existing cluster.
 */
export function nodeLifecycle(plane: () => ControlPlane): void {
  it("adds a fourth control-plane node without a failed request", async () => {
    plane().configure([...CONTROL_PLANE_NODES, "m4"]);
    const report = await plane().underLoad("grow", async () => {
      await plane().engine.up();
      await waitUntil("HAProxy on m4", { seconds: 120 }, () => plane().haproxyListens("m4"));
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0);
    assert.match(await plane().kubectl("m1", BACKENDS), /m4/);
  });

  it("removes the fourth control-plane node without a failed request", async () => {
    plane().configure(CONTROL_PLANE_NODES);
    // as an operator does for a moment: from then on Kubernetes assigns the key to the operator's
    // field manager
    const { cluster } = plane().context;
    for (const value of [null, `${plane().address("m4")}:6443`]) {
      await cluster.patchBackend("m1", "m4", value);
    }
    const report = await plane().underLoad("shrink", async () => {
      const since = Date.now();
      await plane().engine.up();
      // connections to m4 are cut at the end of its drain
      const from = since + plane().context.drains.removedMs;
      await plane().load.markKill({ from, to: Date.now(), openedBefore: since });
    });
    assertNothingFailed(report);
    await waitUntil("the Node m4 to be gone", { seconds: 60 }, async () => {
      return !(await plane().kubectl("m1", "get nodes -o name")).includes("m4");
    });
    assert.doesNotMatch(await plane().kubectl("m1", BACKENDS), /m4/);
    assert.equal(await traces(plane().lab, "m4"), "");
  });

  it("removes a node that the load balancers know from the EndpointSlice without a failed request", async () => {
    const bySlice = { discovery: "endpoints" } as const;
    plane().configure([...CONTROL_PLANE_NODES, "m4"], bySlice);
    await plane().engine.up();
    await waitUntil("HAProxy on m4", { seconds: 120 }, () => plane().haproxyListens("m4"));
    plane().configure(CONTROL_PLANE_NODES, bySlice);
    const report = await plane().underLoad("shrink by the slice", async () => {
      const removal = plane().engine.up();
      let stopped = 0;
      await waitUntil("the manifest of m4's API server to go", { seconds: 300 }, async () => {
        await plane().lab.exec("m4", "test ! -e /etc/kubernetes/manifests/kube-apiserver.yaml");
        stopped = Date.now();
        return true;
      });
      await removal;
      // what an API server that stops in order cuts: connections that it had
      const openedBefore = stopped + KUBELET_MS;
      await plane().load.markKill({ from: stopped, to: Date.now(), openedBefore });
    });
    assertNothingFailed(report);
    const hosts = await plane().status();
    assert.equal(exitCode(hosts), 0, JSON.stringify(hosts));
  });

  it("joins a wiped init node to the same cluster again", async () => {
    const ca = await plane().caOf("m2");
    await plane().lab.wipe("m1");
    const nodes = plane().nodes(CONTROL_PLANE_NODES, { m1: { generation: 2 } });
    plane().configure(CONTROL_PLANE_NODES, { nodes });
    await plane().engine.up();
    assert.equal(await plane().caOf("m1"), ca);
    await waitUntil("all nodes to register", { seconds: 180 }, async () => {
      const known = await plane().kubectl("m1", "get nodes -o name");
      return CONTROL_PLANE_NODES.every((name) => known.includes(`node/${name}`));
    });
    await waitUntilHealthy(plane().context);
  });

  it("leaves the cluster and no trace of the load balancer after destroy", async () => {
    await plane().load.stop();
    await plane().engine.destroy();
    await assertNoTrace(plane());
  });

  it("installs into the existing cluster by its kubeconfig", async () => {
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
