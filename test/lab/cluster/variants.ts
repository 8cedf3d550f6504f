import assert from "node:assert/strict";
import { markDrainEnd, waitForRequests, waitUntilHealthy } from "../../../e2e/scenario/context";
import type { ClusterOverrides } from "../../../e2e/scenario/lab-stack";
import { waitUntil } from "../../../tools/src/index";
import { quote } from "../../../host/shell";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { HaproxyPods } from "./haproxy-pods";
import { cutPower } from "./cut-power";
import { roll } from "./rolling-up";
import { waitUntilServedBy } from "./served-by";

const CONFIG_MAP = "-n kube-system get configmap haproxy-backends";
const PATCH = "-n kube-system patch configmap haproxy-backends --type merge -p";

/** Requests that must be answered after a change. */
const REQUESTS = 100;

/** For API servers that refuse anonymous requests, and backends without a key. */
const BOTH_BY_TOKEN: ClusterOverrides = {
  discovery: "both",
  haproxy: { checks: { authentication: "token" } },
};

/** Where `withoutApiServer` moves the manifest. */
const MANIFEST = "/root/kube-apiserver.yaml";
const FLAG = "--anonymous-auth=false";

const MOUNTED: ClusterOverrides = { daemonset: { variant: "mounted" } };

/**
 * Other kinds of pods, each by `up` under load: two sources and checks by token, the variant
 * `mounted`, the default again.
 */
export function variantTests(plane: () => ControlPlane): void {
  const pods = () => new HaproxyPods(plane());

  it("rolls to discovery both and checks by token without a failed request", async () => {
    await roll(plane(), "both, by token", BOTH_BY_TOKEN);
    await waitUntilHealthy(plane().context);
  });

  it("uses both sources and the token for its checks after that", async () => {
    for (const { discovery } of await updaters()) assert.equal(discovery, "both");
    for (const name of CONTROL_PLANE_NODES) {
      // every ServiceAccount token starts with {"alg":"...
      assert.match(
        await pods().run(name, "cat @/root/run/haproxy/check-token.map"),
        /^token eyJhbGci/,
      );
    }
  });

  it("keeps an API server that has left the slice, and uses it again although it refuses anonymous checks", async () => {
    const { load, lab, context } = plane();
    const address = plane().address("m2");
    const m2 = async () =>
      (await updaters()).map(({ backends, outOfSlice }) => ({
        state: backends.find((backend) => backend.name === address)?.state,
        left: outOfSlice.some(({ name }) => name === address),
      }));
    const becomes = (state: string, left: boolean) =>
      waitUntil(
        `m2 is ${state}, ${left ? "out of" : "in"} the slice`,
        { seconds: 120 },
        async () => {
          assert.deepEqual(
            await m2(),
            CONTROL_PLANE_NODES.map(() => ({ state, left })),
          );
          return true;
        },
      );
    const keyGone = await plane().underLoad("only the slice knows m2", async () => {
      await context.cluster.patchBackend("m1", "m2", null);
      await becomes("ready", false);
      await waitForRequests(context, REQUESTS);
    });
    assertNothingFailed(keyGone);
    assert.equal(keyGone.watchBreaks, 0, keyGone.breaks.join("; "));

    await load.phase("m2 leaves the slice", { reconnect: true });
    const from = Date.now();
    await plane().withoutApiServer("m2", async () => {
      await load.markKill({ from, to: Date.now() });
      await becomes("down", true);
      await waitForRequests(context, REQUESTS);
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
      await waitUntilServedBy(plane(), "HAProxy");
      await waitForRequests(context, REQUESTS);
      assertNothingFailed(await plane().endPhase("m2 comes back"));
    } finally {
      // kubelet's probes are anonymous too: it would kill this API server after 4 minutes
      await plane().withoutApiServer("m2", async () => {
        await lab.exec("m2", `sed -i '/- ${FLAG}$/d' ${MANIFEST}`);
      });
    }
    await waitUntilHealthy(context);
  });

  it("rolls to the variant mounted without a failed request", async () => {
    await roll(plane(), "mounted", MOUNTED);
    await waitUntilServedBy(plane(), "HAProxy");
    assert.ok("haproxy.cfg" in (await configMap()));
  });

  it("has a single container and no credential in the pods of the variant mounted", async () => {
    assert.deepEqual(
      await pods().containers(),
      CONTROL_PLANE_NODES.map(() => "haproxy"),
    );
    for (const name of CONTROL_PLANE_NODES) {
      const mounts = await pods().run(name, "cat @/mountinfo; ls @/root/run @/root/var/run");
      assert.match(mounts, /haproxy/);
      assert.doesNotMatch(mounts, /secrets|token/);
    }
  });

  it("has removed the objects of the variant sidecar", async () => {
    const objects = await plane().kubectl(
      "m1",
      "get serviceaccounts,roles,rolebindings,configmaps -A -o name",
    );
    assert.doesNotMatch(objects, /control-plane-lb/);
  });

  let good = "";
  it("refuses a bad configuration in the ConfigMap with the reason in the log, without a failed request", async () => {
    const { context } = plane();
    good = await pods().file("m1");
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
      await waitForRequests(context, REQUESTS);
    });
    assertNothingFailed(refused);
    assert.equal(refused.watchBreaks, 0, refused.breaks.join("; "));
    assert.deepEqual(await workers(), before);
  });

  it("starts with the last good configuration after a power cut while the ConfigMap is bad", async () => {
    const { lab, load, context } = plane();
    const cut = "power cut beside a bad configuration";
    await load.phase(cut, { reconnect: true });
    await waitForRequests(context, 20);
    await cutPower(plane(), "m3");
    await lab.powerOn("m3");
    await waitUntil("HAProxy on m3", { seconds: 180 }, () => plane().haproxyListens("m3"));
    await waitUntilServedBy(plane(), "HAProxy");
    await waitForRequests(context, REQUESTS);
    assertNothingFailed(await plane().endPhase(cut));
    await refuses("m3");
    for (const name of CONTROL_PLANE_NODES) assert.equal(await pods().file(name), good, name);
  });

  it("restores the configuration in the ConfigMap by up --refresh", async () => {
    await plane().engine.up({ refresh: true });
    assert.equal((await configMap())["haproxy.cfg"], await pods().file("m1"));
  });

  it("loads a changed setting on every node without a failed request", async () => {
    const { engine, context } = plane();
    const processes = async () => (await context.cluster.pids("m1", "haproxy")).length;
    const before = await processes();
    plane().configure(CONTROL_PLANE_NODES, {
      ...MOUNTED,
      haproxy: { timeouts: { queue: "2500ms" } },
    });
    const loaded = await plane().underLoad("loaded", async () => {
      await engine.up();
      await pods().touch();
      for (const name of CONTROL_PLANE_NODES) {
        await waitUntil(`the new configuration on ${name}`, { seconds: 120 }, async () => {
          assert.match(await pods().file(name), /timeout queue 2500ms/);
          assert.match(await pods().log(name), /loaded the changed haproxy\.cfg/);
          return true;
        });
        // the script logs this 2 s after the reload, when the new worker has proven itself
        if (name === "m1") await markDrainEnd(context, Date.now(), context.drains.stoppedMs, 4500);
      }
      await waitUntilServedBy(plane(), "HAProxy");
      await waitUntil(
        "the old worker to be gone",
        { seconds: 60 },
        async () => (await processes()) <= before,
      );
    });
    assertNothingFailed(loaded);
  });

  it("rolls back to the sidecar without a failed request", async () => {
    await roll(plane(), "sidecar", {});
    await waitUntilHealthy(plane().context);
    await waitUntilServedBy(plane(), "HAProxy");
    for (const { discovery } of await updaters()) assert.equal(discovery, "configMap");
  });

  it("has removed the configuration of the variant mounted", async () => {
    assert.deepEqual(Object.keys(await configMap()).sort(), CONTROL_PLANE_NODES);
  });

  function updaters() {
    return Promise.all(CONTROL_PLANE_NODES.map((name) => plane().context.cluster.updater(name)));
  }

  async function configMap(): Promise<Record<string, string>> {
    return JSON.parse(await plane().kubectl("m1", `${CONFIG_MAP} -o jsonpath={.data}`)) as never;
  }

  async function refuses(name: string): Promise<void> {
    await waitUntil(`the reason in the log on ${name}`, { seconds: 120 }, async () => {
      const log = await pods().log(name);
      return /the key haproxy\.cfg is refused.*unknown keyword 'nonsense'/.test(log);
    });
  }
}
