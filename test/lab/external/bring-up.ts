import assert from "node:assert/strict";
import { waitUntilHealthy } from "../../../e2e/scenario/context";
import { setLoadCredentials } from "../../../e2e/scenario/load-credentials";
import { waitUntil } from "../../../tools/src/index";
import { exitCode } from "../../../status/report";
import { assertNothingFailed, type ControlPlane } from "../cluster/control-plane";
import { refuses } from "../support";
import {
  LOAD_BALANCERS,
  startForeignHaproxy,
  snapshot,
  type Snapshot,
} from "./load-balancer-hosts";
import { waitUntilServedThrough } from "./power-cuts";

/** Of `systemd-analyze security`: 0 is best, 10 is worst. */
const MOST_EXPOSURE = 3;

/**
 * From bare machines to the cluster although a host becomes unreachable; and how the services run.
 * @param bare receives the snapshots of the hosts before `up`
 */
export function bringUp(plane: () => ControlPlane, bare: Map<string, Snapshot>): void {
  it("names a host that becomes unreachable during the first up", async () => {
    const { lab, engine } = plane();
    await startForeignHaproxy(lab, "w1");
    bare.set("w1", await snapshot(lab, "w1"));
    const first = refuses(engine.up(), /w2-(updater|haproxy)/);
    await waitUntil("the first up to change w2", { seconds: 120 }, async () => {
      await lab.exec("w2", "test -e /etc/control-plane-lb/6444/settings.json");
      return true;
    });
    await lab.cut("w2");
    await first;
  });

  it("completes in the next up without a failed request after the first answer", async () => {
    const { lab, engine, load, endpoint, context } = plane();
    await lab.mend("w2");
    const credentials = setLoadCredentials(lab, load, new AbortController().signal);
    const [{ outputs }] = await Promise.all([engine.up(), credentials]);
    assert.equal(outputs.endpoint?.value, `https://${endpoint.host}:6444`);
    await waitUntilHealthy(context);
    assertNothingFailed(await plane().endPhase("bring-up"));
  });

  it("serves through every load-balancer host", async () => {
    for (const name of LOAD_BALANCERS) await waitUntilServedThrough(plane(), name);
  });

  it("is served by HAProxy on every load-balancer host, according to status", async () => {
    const hosts = await plane().status();
    assert.deepEqual(
      hosts.map(({ name, server }) => [name, server]),
      LOAD_BALANCERS.map((name) => [name, "HAProxy"]),
    );
    assert.equal(exitCode(hosts), 0, JSON.stringify(hosts));
  });

  it("has no steps in a second up", async () => {
    assert.deepEqual((await plane().engine.up()).steps, []);
  });

  it(`runs HAProxy and updater unprivileged, each unit with an exposure level below ${MOST_EXPOSURE}.0`, async () => {
    for (const machine of LOAD_BALANCERS) {
      const { stdout: processes } = await plane().lab.exec(
        machine,
        `for pid in $(pidof haproxy) $(systemctl show --property=MainPID --value control-plane-lb-updater-6444); do
          echo "$(stat --format=%U /proc/$pid) $(sed -n 's/^CapEff:\\s*//p' /proc/$pid/status)"
        done | sort -u`,
      );
      const none = "0".repeat(16);
      assert.equal(processes, `control-plane-lb ${none}\nhaproxy ${none}\n`);
      const { stdout: exposures } = await plane().lab.exec(
        machine,
        `cd /etc/systemd/system
        for unit in control-plane-lb*.service; do systemd-analyze security --no-pager "$unit" | tail -n 1; done`,
      );
      const levels = [...exposures.matchAll(/exposure level for (\S+): (\d+\.\d+)/g)];
      assert.equal(levels.length, 4, exposures);
      for (const [text, , level] of levels) assert.ok(Number(level) < MOST_EXPOSURE, text);
    }
  });
}
