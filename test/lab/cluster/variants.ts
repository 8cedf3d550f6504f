import assert from "node:assert/strict";
import { keptUntilCut, underLoad, waitUntilHealthy } from "../../../e2e/scenario/scenarios";
import type { ClusterOverrides } from "../../../e2e/scenario/lab-stack";
import { quote } from "../../../host/shell";
import { eventually } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { HaproxyPods } from "./haproxy-pods";
import { cutPower } from "./power";
import { roll } from "./roll";
import { servedBy } from "./served-by";

const CONFIG_MAP = "-n kube-system get configmap haproxy-backends";
const PATCH = "-n kube-system patch configmap haproxy-backends --type merge -p";

/** Requests that must go well after a change. */
const REQUESTS = 100;

/** API servers may forbid anonymous questions, and backends need no key. */
const BOTH_BY_TOKEN: ClusterOverrides = {
  discovery: "both",
  haproxy: { checks: { authentication: "token" } },
};

/** Where withoutApiServer keeps the manifest. */
const MANIFEST = "/root/kube-apiserver.yaml";
const FLAG = "--anonymous-auth=false";

const MOUNTED: ClusterOverrides = { daemonset: { variant: "mounted" } };

/** Pods of another kind, each by `up` under load: two sources and checks by token, the variant `mounted`, and back to the default. */
export function variants(plane: () => ControlPlane): void {
  const pods = () => new HaproxyPods(plane());

  it("rolls to discovery both and checks by token without a failed request", async () => {
    await roll(plane(), "both, by token", BOTH_BY_TOKEN);
    await waitUntilHealthy(plane().context);
    for (const { discovery } of await updaters()) assert.equal(discovery, "both");
    for (const name of CONTROL_PLANE_NODES) {
      // the first part of every ServiceAccount's token: {"alg":"...
      assert.match(
        await pods().run(name, "cat @/root/run/haproxy/check-token.map"),
        /^token eyJhbGci/,
      );
    }
  });

  it("keeps an API server that has left the slice, and uses it again though it refuses anonymous checks now", async () => {
    const { load, lab, context } = plane();
    const address = plane().address("m2");
    const m2 = async () =>
      (await updaters()).map(({ backends, outOfSlice }) => ({
        state: backends.find((backend) => backend.name === address)?.state,
        left: outOfSlice.some(({ name }) => name === address),
      }));
    const becomes = (state: string, left: boolean) =>
      eventually(`m2 is ${state}, ${left ? "out of" : "in"} the slice`, 120, async () => {
        assert.deepEqual(
          await m2(),
          CONTROL_PLANE_NODES.map(() => ({ state, left })),
        );
        return true;
      });
    const keyGone = await plane().underLoad("only the slice knows m2", async () => {
      await context.cluster.patchBackend("m1", "m2", null);
      await becomes("ready", false);
      await underLoad(context, REQUESTS);
    });
    assertNothingFailed(keyGone);
    assert.equal(keyGone.watchBreaks, 0, keyGone.breaks.join("; "));

    await load.phase("m2 leaves the slice", { reconnect: true });
    const from = Date.now();
    await plane().withoutApiServer("m2", async () => {
      await load.markKill({ from, to: Date.now() });
      await becomes("down", true);
      await underLoad(context, REQUESTS);
      assertNothingFailed(await plane().endPhase("m2 leaves the slice"));
      await lab.exec("m2", `sed -i 's/^\\( *\\)- kube-apiserver$/&\\n\\1- ${FLAG}/' ${MANIFEST}`);
      await load.phase("m2 comes back", { reconnect: true });
    });
    try {
      const { stdout } = await lab.exec(
        "m2",
        `curl -sk -o /dev/null -w '%{http_code}' https://${address}:6443/readyz`,
      );
      assert.equal(stdout, "401");
      await becomes("ready", false);
      await servedBy(plane(), "HAProxy");
      await underLoad(context, REQUESTS);
      assertNothingFailed(await plane().endPhase("m2 comes back"));
    } finally {
      // kubelet's own probes are anonymous: it would kill this API server after 4 minutes
      await plane().withoutApiServer("m2", async () => {
        await lab.exec("m2", `sed -i '/- ${FLAG}$/d' ${MANIFEST}`);
      });
    }
    await waitUntilHealthy(context);
  });

  it("rolls to the variant mounted without a failed request; its pods have no credential", async () => {
    await roll(plane(), "mounted", MOUNTED);
    await servedBy(plane(), "HAProxy");
    assert.deepEqual(
      await pods().containers(),
      CONTROL_PLANE_NODES.map(() => "haproxy"),
    );
    for (const name of CONTROL_PLANE_NODES) {
      const mounts = await pods().run(name, "cat @/mountinfo; ls @/root/run @/root/var/run");
      assert.match(mounts, /haproxy/);
      assert.doesNotMatch(mounts, /secrets|token/);
    }
    const objects = await plane().kubectl(
      "m1",
      "get serviceaccounts,roles,rolebindings,configmaps -A -o name",
    );
    assert.doesNotMatch(objects, /control-plane-lb/);
    assert.ok("haproxy.cfg" in (await configMap()));
  });

  it("refuses a bad configuration in the ConfigMap and says why; the last good one serves, also after a power cut", async () => {
    const { lab, load, context } = plane();
    const good = await pods().file("m1");
    const workers = () =>
      Promise.all(
        CONTROL_PLANE_NODES.map((name) => context.cluster.pids(name, "haproxy").then(String)),
      );
    const before = await workers();
    const bad = good.replace("retries 3", "retries 3\n  nonsense");
    const refused = await plane().underLoad("a bad configuration", async () => {
      const patch = JSON.stringify({ data: { "haproxy.cfg": bad } });
      await plane().kubectl("m1", `${PATCH} ${quote(patch)}`);
      await pods().touch();
      for (const name of CONTROL_PLANE_NODES) await refuses(name);
      await underLoad(context, REQUESTS);
    });
    assertNothingFailed(refused);
    assert.equal(refused.watchBreaks, 0, refused.breaks.join("; "));
    assert.deepEqual(await workers(), before);

    const cut = "power cut beside a bad configuration";
    await load.phase(cut, { reconnect: true });
    await underLoad(context, 20);
    await cutPower(plane(), "m3");
    await lab.powerOn("m3");
    await eventually("HAProxy on m3", 180, () => plane().haproxyServes("m3"));
    await servedBy(plane(), "HAProxy");
    await underLoad(context, REQUESTS);
    assertNothingFailed(await plane().endPhase(cut));
    await refuses("m3");
    for (const name of CONTROL_PLANE_NODES) assert.equal(await pods().file(name), good, name);
  });

  it("is put right by up; what up changes every HAProxy loads without a failed request", async () => {
    const { engine, context } = plane();
    const processes = async () => (await context.cluster.pids("m1", "haproxy")).length;
    const before = await processes();
    await engine.up({ refresh: true });
    assert.equal((await configMap())["haproxy.cfg"], await pods().file("m1"));
    plane().configure(CONTROL_PLANE_NODES, {
      ...MOUNTED,
      haproxy: { timeouts: { queue: "2500ms" } },
    });
    const loaded = await plane().underLoad("loaded", async () => {
      await engine.up();
      await pods().touch();
      for (const name of CONTROL_PLANE_NODES) {
        await eventually(`the new configuration on ${name}`, 120, async () => {
          assert.match(await pods().file(name), /timeout queue 2500ms/);
          assert.match(await pods().log(name), /loaded the changed haproxy\.cfg/);
          return true;
        });
        // the script says so 2 s after the reload, once the new worker has proven itself
        if (name === "m1") await keptUntilCut(context, Date.now(), context.drains.stoppedMs, 4500);
      }
      await servedBy(plane(), "HAProxy");
      await eventually("the former worker is gone", 60, async () => (await processes()) <= before);
    });
    assertNothingFailed(loaded);
  });

  it("rolls back to the sidecar without a failed request, and leaves nothing of the other variant", async () => {
    await roll(plane(), "sidecar", {});
    await waitUntilHealthy(plane().context);
    await servedBy(plane(), "HAProxy");
    for (const { discovery } of await updaters()) assert.equal(discovery, "configMap");
    assert.deepEqual(Object.keys(await configMap()).sort(), CONTROL_PLANE_NODES);
  });

  function updaters() {
    return Promise.all(CONTROL_PLANE_NODES.map((name) => plane().context.cluster.updater(name)));
  }

  async function configMap(): Promise<Record<string, string>> {
    return JSON.parse(await plane().kubectl("m1", `${CONFIG_MAP} -o jsonpath={.data}`)) as never;
  }

  async function refuses(name: string): Promise<void> {
    await eventually(`the reason in the log on ${name}`, 120, async () => {
      const log = await pods().log(name);
      return /the key haproxy\.cfg is refused.*unknown keyword 'nonsense'/.test(log);
    });
  }
}
