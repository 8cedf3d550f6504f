import assert from "node:assert/strict";
import { HaproxyView } from "../../../e2e/scenario/haproxy-view";
import { waitForRequests, waitUntilHealthy } from "../../../e2e/scenario/context";
import { waitUntil } from "../../../tools/src/index";
import { assertNothingFailed, CONTROL_PLANE_NODES, type ControlPlane } from "./control-plane";
import { cutPower } from "./cut-power";

/** A server that does not respond leaves the rotation within this time. */
const OUT_MS = 3000;

/** Requests that must be answered once the server is out. */
const REQUESTS = 100;

// drops packets for the API server silently, as a firewall or a dead switch does
const BLACK_HOLE = `nft -f - <<'EOF'
table inet black_hole {
  chain input {
    type filter hook input priority -300
    tcp dport 6443 iif != lo drop
  }
}
EOF`;

/** API servers that do not respond: hung, unreachable, without power, without etcd. */
export function faultTests(plane: () => ControlPlane): void {
  for (const machine of ["m2", "m1"]) {
    it(`takes a hung API server (SIGSTOP on ${machine}) out within 3 s and back when it continues, and no other request fails`, async () => {
      const { cluster } = plane().context;
      await outOfRotation(
        machine,
        () => cluster.signal(machine, "kube-apiserver", "STOP"),
        () => plane().lab.exec(machine, "kill -CONT $(pidof kube-apiserver)"),
      );
    });
  }

  it("takes an unreachable API server out within 3 s and back when it is reachable, and no other request fails", async () => {
    await outOfRotation(
      "m3",
      () => plane().lab.exec("m3", BLACK_HOLE),
      () => plane().lab.exec("m3", "nft delete table inet black_hole"),
      // m3 itself reaches its API server over loopback
      ["m1", "m2"],
    );
  });

  it("fails no request when a control-plane node loses power", async () => {
    const { load, context } = plane();
    const cut = "power cut of m3";
    await waitUntilHealthy(context);
    await load.phase(cut, { reconnect: true });
    await waitForRequests(context, 40);
    await cutPower(plane(), "m3");
    await routes((seen) => !seen.has(target("m3")), ["m1", "m2"]);
    await waitForRequests(context, REQUESTS);
    const down = await plane().endPhase(cut);
    assertNothingFailed(down);
    const median = (await load.phases())[0]?.p50Ms ?? 0;
    const { longestElectionMs, longestStallMs, newConnections } = down;
    // if m3 was etcd's leader, writes wait for the election
    const measured = `an election took ${longestElectionMs} ms, a stall ${longestStallMs} ms`;
    assert.ok(
      newConnections.maxMs <= median + 1000 + longestElectionMs + longestStallMs,
      `the slowest request took ${newConnections.maxMs} ms, the median ${median} ms; ${measured}`,
    );
  });

  it("fails no request when the node boots again", async () => {
    const { lab, context } = plane();
    const boot = await plane().underLoad("boot of m3", async () => {
      await lab.powerOn("m3");
      await waitUntilHealthy(context);
      await waitForRequests(context, REQUESTS);
    });
    assertNothingFailed(boot);
  });

  it("keeps every watch open through 10 s without a quorum of etcd", async () => {
    const { lab, context } = plane();
    const name = "no quorum";
    await plane().load.phase(name, { reconnect: true });
    await waitForRequests(context, 40);
    for (const machine of ["m2", "m3"]) await context.cluster.signal(machine, "etcd", "STOP");
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    for (const machine of ["m2", "m3"]) await lab.exec(machine, "kill -CONT $(pidof etcd)");
    await waitUntilHealthy(context);
    const report = await plane().endPhase(name);
    // an API server without its etcd sends no events for 10 s; the watch stays open, and HAProxy
    // may not close it
    assert.deepEqual(
      report.breaks.filter((text) => !text.includes("silent:")),
      [],
    );
    const after = await plane().underLoad("quorum again", () => waitForRequests(context, REQUESTS));
    assertNothingFailed(after);
  });

  const target = (machine: string) => `${plane().address(machine)}:6443`;

  /**
   * Waits until the routes of all these load balancers meet a condition.
   * @returns performance.now() of the last one
   */
  async function routes(
    condition: (seen: ReadonlySet<string>) => boolean,
    machines: readonly string[] = CONTROL_PLANE_NODES,
  ): Promise<number> {
    const views = await Promise.all(machines.map((name) => HaproxyView.connect(plane().lab, name)));
    const seen = await Promise.all(views.map((view) => view.waitForRoutes(condition, 60)));
    return Math.max(...seen);
  }

  /** Breaks an API server and mends it. Requests may fail for 3 s after the break, then none. */
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
    await waitForRequests(context, 40);
    const out = routes((seen) => !seen.has(target(machine)), seenBy);
    await breakIt();
    const broken = performance.now();
    try {
      const tookMs = (await out) - broken;
      assert.ok(tookMs < OUT_MS, `out of rotation after ${Math.round(tookMs)} ms`);
      await load.phase(`${machine} is out`);
      await waitForRequests(context, REQUESTS);
      assertNothingFailed(await plane().endPhase(`${machine} is out`));
    } finally {
      await mendIt();
    }
    const back = await plane().underLoad(`${machine} comes back`, async () => {
      await waitUntil(`${machine} in rotation`, { seconds: 60 }, async () => {
        await routes((seen) => seen.has(target(machine)));
        return true;
      });
      await waitForRequests(context, REQUESTS);
    });
    assertNothingFailed(back);
  }
}
