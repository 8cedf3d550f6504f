import assert from "node:assert/strict";
import { waitUntilHealthy } from "../../../e2e/scenario/context";
import { setLoadCredentials } from "../../../e2e/scenario/load-credentials";
import { waitUntil } from "../../../tools/src/index";
import { KUBEADM_UNIT } from "../../../names";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

const BACKENDS = "-n kube-system get configmap haproxy-backends -o jsonpath={.data}";
const KUBEADM_RUNS = `systemctl is-active --quiet ${KUBEADM_UNIT}`;

/** From bare machines to the cluster, and what later runs of `up` do not change. */
export function bringUp(plane: () => ControlPlane): void {
  it("comes up although the first up was killed during kubeadm init, without a failed request after the first answer", async () => {
    const { lab, engine, load, context } = plane();
    const credentials = setLoadCredentials(lab, load, new AbortController().signal);
    const first = engine.spawnUp("stacks/program.ts");
    const ended = first.done.then(({ output }) => {
      throw new Error(`the first up ended before it could be killed: ${output}`);
    });
    const midway = waitUntil("kubeadm init to reach its API server", { seconds: 300 }, async () => {
      await lab.exec("m1", `${KUBEADM_RUNS} && ls /etc/kubernetes/manifests/kube-apiserver.yaml`);
      return true;
    });
    await Promise.race([midway, ended]);
    ended.catch(() => undefined);
    await first.kill();
    await lab.exec("m1", KUBEADM_RUNS);
    const ca = await plane().caOf("m1");
    await engine.cancel();
    const up = engine.up();
    await Promise.all([up, credentials]);
    for (const name of CONTROL_PLANE_NODES) {
      assert.equal(await plane().caOf(name), ca, `${name} belongs to another cluster`);
    }
    await waitUntilHealthy(context);
    assertNothingFailed(await plane().endPhase("bring-up"));
  });

  it("exports the endpoint, and the kubeconfig as a secret", async () => {
    const { host } = plane().endpoint;
    const outputs = await plane().engine.outputs();
    assert.equal(outputs.endpoint?.value, `https://${host}:6444`);
    assert.equal(outputs.kubeconfig?.secret, true);
  });

  it("runs beside kube-proxy", async () => {
    const { lab } = plane();
    const { stdout: rules } = await lab.exec("m1", "iptables-save -t nat");
    assert.match(rules, /KUBE-SERVICES/, "kube-proxy has no rules");
  });

  it("encrypts the admin key and the SSH key in the state", async () => {
    const { lab, engine } = plane();
    const { stdout: key } = await lab.exec(
      "m1",
      "sed -n 's/.*client-key-data: //p' /etc/kubernetes/admin.conf",
    );
    const stored = engine.storedText();
    for (const secret of [key.trim(), lab.ssh.privateKey.split("\n")[2] ?? "none"]) {
      assert.ok(secret.length > 20);
      assert.ok(!stored.includes(secret), "the state contains a secret in plain text");
    }
  });

  it("has no steps in a second up", async () => {
    const { steps } = await plane().engine.up();
    assert.deepEqual(steps, []);
  });

  it("keeps a key that kubectl has added to the ConfigMap", async () => {
    const { engine } = plane();
    const patch = (type: string, text: string) =>
      plane().kubectl(
        "m1",
        `-n kube-system patch configmap haproxy-backends --type=${type} -p '${text}'`,
      );
    await patch("merge", `{"data":{"extra":"10.77.99.9:6443"}}`);
    await engine.up({ refresh: true });
    assert.match(await plane().kubectl("m1", BACKENDS), /"extra":"10\.77\.99\.9:6443"/);
    await patch("json", `[{"op":"remove","path":"/data/extra"}]`);
  });
}
