import assert from "node:assert/strict";
import { HaproxyView } from "../../../e2e/scenario/haproxy-view";
import { keptUntilCut, underLoad, waitUntilHealthy } from "../../../e2e/scenario/scenarios";
import { eventually } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";

const CHANGES = 50;

/** Changes that are bad, many, or come while the updater dies; and a reload while API servers are dead. */
export function updater(plane: () => ControlPlane): void {
  const patch = (key: string, value: string | null) =>
    plane().context.cluster.patchBackend("m1", key, value);

  it("refuses a bad entry, says so in an Event, and nobody notices", async () => {
    const report = await plane().underLoad("bad entry", async () => {
      await patch("bad", "no-address");
      await eventually("an Event that names key and reason", 60, async () => {
        const events = await plane().kubectl(
          "m1",
          "-n kube-system get events --field-selector reason=BackendRefused -o jsonpath={.items[*].message}",
        );
        return /bad: "no-address": expected ADDRESS:PORT/.test(events);
      });
      await eventually("every updater refuses it", 30, async () => {
        const hosts = await plane().status();
        return hosts.every(({ problems }) =>
          problems.some((text) => text.includes("BackendRefused: bad")),
        );
      });
      await patch("bad", null);
      await eventually("nothing is refused", 30, async () => {
        return (await plane().status()).every(({ problems }) => problems.length === 0);
      });
    });
    assertNothingFailed(report);
    assert.equal(report.watchBreaks, 0);
  });

  it(`follows ${CHANGES} changes with the same processes, while the updaters are killed`, async () => {
    const { lab, context } = plane();
    const processes = () =>
      Promise.all(
        CONTROL_PLANE_NODES.map((name) => context.cluster.pids(name, "haproxy").then(String)),
      );
    const before = await processes();
    const report = await plane().underLoad("changes", async () => {
      for (let turn = 0; turn < CHANGES; turn += 1) {
        // nobody listens there: it never serves, and comes and goes all the same
        await patch("other", turn % 2 === 0 ? `${plane().address("m4")}:7443` : null);
        // not more often: kubelet would wait longer and longer before it starts the container again
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
      const view = await HaproxyView.of(lab, "m1");
      await view.settles((routes) => routes.size === 1 && routes.has(alone), 30);
      await load.phase("reload", { reconnect: true });
      await underLoad(context, 20);
      const reloadedAt = Date.now();
      await view.master.reload();
      await keptUntilCut(context, reloadedAt, context.drains.stoppedMs);
      await underLoad(context, 100);
      assertNothingFailed(await plane().endPhase("reload"));
    } finally {
      for (const name of dead) await lab.exec(name, "kill -CONT $(pidof kube-apiserver)");
    }
    await waitUntilHealthy(context);
  });
}
