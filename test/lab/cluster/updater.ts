import assert from "node:assert/strict";
import { HaproxyView } from "../../../e2e/scenario/haproxy-view";
import { markDrainEnd, waitForRequests, waitUntilHealthy } from "../../../e2e/scenario/context";
import { waitUntil } from "../../../tools/src/index";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

const CHANGES = 50;

/** Bad and frequent changes, killed updaters, and a reload while API servers are dead. */
export function updaterTests(plane: () => ControlPlane): void {
  const patch = (key: string, value: string | null) =>
    plane().context.cluster.patchBackend("m1", key, value);

  it("reports a bad entry in an Event and in status, without a failed request", async () => {
    const report = await plane().underLoad("bad entry", async () => {
      await patch("bad", "no-address");
      await waitUntil("an Event that names key and reason", { seconds: 60 }, async () => {
        const events = await plane().kubectl(
          "m1",
          "-n kube-system get events --field-selector reason=BackendRefused -o jsonpath={.items[*].message}",
        );
        return /bad: "no-address": expected ADDRESS:PORT/.test(events);
      });
      await waitUntil("every updater to report it", { seconds: 30 }, async () => {
        const hosts = await plane().status();
        return hosts.every(({ problems }) =>
          problems.some((text) => text.includes("BackendRefused: bad")),
        );
      });
      await patch("bad", null);
      await waitUntil("no problem to be left", { seconds: 30 }, async () => {
        return (await plane().status()).every(({ problems }) => problems.length === 0);
      });
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0);
  });

  it(`applies ${CHANGES} changes without a new HAProxy process, although the updaters are killed`, async () => {
    const { lab, context } = plane();
    const processes = () =>
      Promise.all(
        CONTROL_PLANE_NODES.map((name) => context.cluster.pids(name, "haproxy").then(String)),
      );
    const before = await processes();
    const report = await plane().underLoad("changes", async () => {
      for (let turn = 0; turn < CHANGES; turn += 1) {
        // nothing listens there: the server is added and removed but never serves
        await patch("other", turn % 2 === 0 ? `${plane().address("m4")}:7443` : null);
        // once only: kubelet backs off before it restarts the container again
        if (turn === 20) {
          for (const name of CONTROL_PLANE_NODES)
            await lab.exec(name, "pkill -KILL -f '[u]pdater.js run'");
        }
      }
      await waitUntilHealthy(context);
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0, report.breaks.join("; "));
    assert.deepEqual(await processes(), before);
  });

  it("sends nothing to two dead API servers after a reload of HAProxy", async () => {
    const { lab, load, context } = plane();
    const dead = ["m2", "m3"];
    const alone = `${plane().address("m1")}:6443`;
    for (const name of dead) await context.cluster.signal(name, "kube-apiserver", "STOP");
    try {
      const view = await HaproxyView.connect(lab, "m1");
      await view.waitForRoutes((routes) => routes.size === 1 && routes.has(alone), 30);
      await load.phase("reload", { reconnect: true });
      await waitForRequests(context, 20);
      const reloadedAt = Date.now();
      await view.master.reload();
      await markDrainEnd(context, reloadedAt, context.drains.stoppedMs);
      await waitForRequests(context, 100);
      assertNothingFailed(await plane().endPhase("reload"));
    } finally {
      for (const name of dead) await lab.exec(name, "kill -CONT $(pidof kube-apiserver)");
    }
    await waitUntilHealthy(context);
  });
}
