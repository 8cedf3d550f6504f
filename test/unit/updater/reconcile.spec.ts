import assert from "node:assert/strict";
import { POOLS } from "../../../haproxy/config";
import type { Backend } from "../../../haproxy/model";
import type { ServerState, Snapshot, Stat } from "../../../haproxy/runtime";
import type { Draining } from "../../../updater/apply/drain-tracker";
import { planActions, type Action } from "../../../updater/apply/reconcile";

const M1: Backend = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2: Backend = { name: "m2", address: "10.0.0.2", port: 6443 };
const READY = 0;
const DISABLED_IN_FILE = 5;
const OPENED_AFTER_DISABLED = 4;
const DRAIN = 8;
const DRAINING = { admin: DRAIN, ready: "DRAIN", alive: "DRAIN" };

interface Slot {
  readonly backend?: Backend;
  readonly admin?: number;
  readonly sessions?: number;
  readonly ready?: string;
  /** In `alive`. @default UP */
  readonly alive?: string;
}

/** One slot in each pool. */
const snapshot = (...slots: Slot[]): Snapshot => {
  const servers: ServerState[] = [];
  const stats: Stat[] = [];
  slots.forEach((it, slot) => {
    const { address, port } = it.backend ?? { address: "127.0.0.1", port: 9 };
    for (const pool of POOLS) {
      const admin = it.admin ?? READY;
      servers.push({ pool, slot, address, port, operational: 2, admin });
      const status = { ready: it.ready, alive: it.alive, reachable: "UP" }[pool] ?? "UP";
      const sessions = pool === "ready" ? (it.sessions ?? 0) : 0;
      const check = { checkStatus: "L7OK", checkCode: 200, sinceSeconds: 10 };
      stats.push({ pool, slot, status, ...check, sessions });
    }
  });
  return { pid: 1, description: "", maxConnections: 5000, servers, stats };
};
const plan = (
  seen: Snapshot,
  slots: (Backend | undefined)[],
  draining: [number, Draining][] = [],
  nowMs = 0,
): Action[] => planActions(seen, { slots, draining: new Map(draining), hung: new Set(), nowMs });

describe("planActions", () => {
  it("does nothing when HAProxy is as desired", () => {
    const seen = snapshot(
      { backend: M1 },
      { backend: M2, admin: OPENED_AFTER_DISABLED },
      { admin: 5 },
    );
    assert.deepEqual(plan(seen, [M1, M2, undefined]), []);
  });

  it("fills an empty slot, and one with another address", () => {
    const seen = snapshot({ admin: DISABLED_IN_FILE }, { backend: M1 });
    assert.deepEqual(plan(seen, [M1, M2]), [
      { kind: "fill", slot: 0, backend: M1 },
      { kind: "fill", slot: 1, backend: M2 },
    ]);
  });

  it("opens a desired server that an operator put into maintenance or drain", () => {
    assert.deepEqual(plan(snapshot({ backend: M1, admin: 1 }), [M1]), [
      { kind: "fill", slot: 0, backend: M1 },
    ]);
    assert.deepEqual(plan(snapshot({ backend: M1, admin: DRAIN }), [M1]), [
      { kind: "reopen", slot: 0 },
    ]);
  });

  it("drains a server that is not desired, also an unknown one", () => {
    const known: [number, Draining][] = [[0, { backend: M1, untilMs: 100 }]];
    assert.deepEqual(plan(snapshot({ backend: M1 }), [undefined], known), [
      { kind: "drain", slot: 0, backend: M1 },
    ]);
    assert.deepEqual(plan(snapshot({ backend: M1 }), [undefined]), [
      { kind: "drain", slot: 0, backend: { ...M1, name: "unknown" } },
    ]);
  });

  it("closes a draining slot when its sessions have ended, or at its deadline", () => {
    const draining: [number, Draining][] = [[0, { backend: M1, untilMs: 100 }]];
    const busy = snapshot({ backend: M1, ...DRAINING, sessions: 1 }, { backend: M2 });
    assert.deepEqual(plan(busy, [undefined, M2], draining, 99), []);
    assert.deepEqual(plan(busy, [undefined, M2], draining, 100), [{ kind: "close", slot: 0 }]);
    const quiet = snapshot({ backend: M1, admin: DRAIN });
    assert.deepEqual(plan(quiet, [undefined], draining, 0), [{ kind: "close", slot: 0 }]);
  });

  it("closes no slot with sessions at its deadline while no other server answers", () => {
    const draining: [number, Draining][] = [[0, { backend: M1, untilMs: 100 }]];
    const leaving = { backend: M1, ...DRAINING, sessions: 1 };
    const seen = (other: Slot) => plan(snapshot(leaving, other), [undefined, M2], draining, 100);
    assert.deepEqual(seen({ backend: M2, ready: "DOWN", alive: "DOWN" }), []);
    assert.deepEqual(seen({ backend: M2, ready: "DOWN" }), [{ kind: "close", slot: 0 }]);
  });

  it("gives a draining slot a new deadline after the updater's restart", () => {
    const busy = snapshot({ backend: M1, admin: DRAIN, sessions: 1 });
    assert.equal(plan(busy, [undefined])[0]?.kind, "drain");
  });

  describe("for a slot whose server hangs", () => {
    const cuts = (slot: Slot, other: Slot = { backend: M2 }): Action[] =>
      planActions(snapshot({ backend: M1, ...slot }, other), {
        slots: [M1, M2],
        draining: new Map(),
        hung: new Set([0]),
        nowMs: 0,
      });

    it("shuts down the sessions", () => {
      assert.deepEqual(cuts({ sessions: 2, ready: "DOWN" }), [
        { kind: "shutdownSessions", slot: 0 },
      ]);
    });

    it("shuts down nothing while no other server answers", () => {
      const hung = { sessions: 2, ready: "DOWN", alive: "DOWN" };
      assert.deepEqual(cuts(hung, { backend: M2, ready: "DOWN", alive: "DOWN" }), []);
      assert.equal(cuts(hung, { backend: M2, ready: "DOWN" }).length, 1);
    });

    it("shuts down nothing without sessions, or while the server is up", () => {
      assert.deepEqual(cuts({ sessions: 0, ready: "DOWN" }), []);
      assert.deepEqual(cuts({ sessions: 2 }), []);
      assert.deepEqual(cuts({ sessions: 2, ready: "UP 1/2" }), []);
    });
  });
});
