import assert from "node:assert/strict";
import { HaproxyView } from "../../../e2e/scenario/haproxy-view";
import { underLoad, waitUntilHealthy } from "../../../e2e/scenario/scenarios";
import { eventually } from "../support";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { cutPower } from "./power";

/** A server that does not answer leaves the rotation within this. */
const OUT_MS = 3000;

/** Requests that must go well once the server is out. */
const REQUESTS = 100;

// what a firewall or a dead switch does: packets for the API server vanish
const BLACK_HOLE = `nft -f - <<'EOF'
table inet black_hole {
  chain input {
    type filter hook input priority -300
    tcp dport 6443 iif != lo drop
  }
}
EOF`;

/** API servers that do not answer, in all the ways in which they do not. */
export function faults(plane: () => ControlPlane): void {
  for (const machine of ["m2", "m1"]) {
    it(`takes the API server of ${machine} out within 3 s when it hangs (SIGSTOP), and back when it goes on`, async () => {
      const { cluster } = plane().context;
      await outOfRotation(
        machine,
        () => cluster.signal(machine, "kube-apiserver", "STOP"),
        () => plane().lab.exec(machine, "kill -CONT $(pidof kube-apiserver)"),
      );
    });
  }

  it("takes an API server out within 3 s when its packets vanish, and back", async () => {
    await outOfRotation(
      "m3",
      () => plane().lab.exec("m3", BLACK_HOLE),
      () => plane().lab.exec("m3", "nft delete table inet black_hole"),
      // m3 itself reaches its API server without a network
      ["m1", "m2"],
    );
  });

  it("loses no request but those in flight when a control-plane node's power is cut, and none when it boots again", async () => {
    const { lab, load, context } = plane();
    const cut = "power cut of m3";
    // where a try before this one has left it off
    await lab.powerOn("m3");
    await waitUntilHealthy(context);
    await load.phase(cut, { reconnect: true });
    await underLoad(context, 40);
    await cutPower(plane(), "m3");
    await routes((seen) => !seen.has(target("m3")), ["m1", "m2"]);
    await underLoad(context, REQUESTS);
    const down = await plane().endPhase(cut);
    assertNothingFailed(down);
    const usual = (await load.phases())[0]?.p50Ms ?? 0;
    assert.ok(
      down.newConnections.maxMs <= usual + 1000,
      `the slowest request took ${down.newConnections.maxMs} ms, usual are ${usual}`,
    );

    const boot = await plane().underLoad("boot of m3", async () => {
      await lab.powerOn("m3");
      await waitUntilHealthy(context);
      await underLoad(context, REQUESTS);
    });
    assertNothingFailed(boot);
  });

  it("keeps every watch through 10 s without quorum of etcd", async () => {
    const { lab, context } = plane();
    const name = "no quorum";
    await plane().load.phase(name, { reconnect: true });
    await underLoad(context, 40);
    for (const machine of ["m2", "m3"]) await context.cluster.signal(machine, "etcd", "STOP");
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    for (const machine of ["m2", "m3"]) await lab.exec(machine, "kill -CONT $(pidof etcd)");
    await waitUntilHealthy(context);
    const report = await plane().endPhase(name);
    // a watch whose API server hears nothing of its etcd is silent for 10 s, and there: nobody on the way may end it
    assert.deepEqual(
      report.breaks.filter((text) => !text.includes("silent:")),
      [],
    );
    const after = await plane().underLoad("quorum again", () => underLoad(context, REQUESTS));
    assertNothingFailed(after);
  });

  const target = (machine: string) => `${plane().address(machine)}:6443`;

  /** Waits until all these machines' load balancers route as wanted; gives the time of the last one, as performance.now(). */
  async function routes(
    desired: (seen: ReadonlySet<string>) => boolean,
    machines: readonly string[] = CONTROL_PLANE_NODES,
  ): Promise<number> {
    const views = await Promise.all(machines.map((name) => HaproxyView.of(plane().lab, name)));
    const seen = await Promise.all(views.map((view) => view.settles(desired, 60)));
    return Math.max(...seen);
  }

  /** Breaks an API server: requests on their way to it may be lost for 3 s and no longer; watches go on elsewhere. */
  async function outOfRotation(
    machine: string,
    breakIt: () => Promise<unknown>,
    mendIt: () => Promise<unknown>,
    seenBy: readonly string[] = CONTROL_PLANE_NODES,
  ): Promise<void> {
    const { load, context } = plane();
    await waitUntilHealthy(context);
    await routes((seen) => seen.has(target(machine)));
    await load.phase(`${machine} breaks`, { reconnect: true });
    await underLoad(context, 40);
    const out = routes((seen) => !seen.has(target(machine)), seenBy);
    await breakIt();
    const broken = performance.now();
    try {
      const tookMs = (await out) - broken;
      assert.ok(tookMs < OUT_MS, `out of rotation after ${Math.round(tookMs)} ms`);
      await load.phase(`${machine} is out`);
      await underLoad(context, REQUESTS);
      assertNothingFailed(await plane().endPhase(`${machine} is out`));
    } finally {
      await mendIt();
    }
    const back = await plane().underLoad(`${machine} comes back`, async () => {
      await eventually(`${machine} in rotation`, 60, async () => {
        await routes((seen) => seen.has(target(machine)));
        return true;
      });
      await underLoad(context, REQUESTS);
    });
    assertNothingFailed(back);
  }
}
