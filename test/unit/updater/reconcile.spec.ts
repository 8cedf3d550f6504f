import assert from "node:assert/strict";
import type { Backend } from "../../../haproxy/model";
import type { ServerState, Snapshot, Stat } from "../../../haproxy/runtime";
import { planActions, type Action, type Draining } from "../../../updater/reconcile";

const M1: Backend = { name: "m1", address: "10.0.0.1", port: 6443 };
const M2: Backend = { name: "m2", address: "10.0.0.2", port: 6443 };
const READY = 0;
const DISABLED_IN_FILE = 5;
const OPENED_AFTER_DISABLED = 4;
const DRAIN = 8;

interface Slot {
  readonly backend?: Backend;
  readonly admin?: number;
  readonly sessions?: number;
  readonly ready?: string;
  readonly alive?: string;
  readonly check?: string;
  readonly sinceSeconds?: number;
}

/** One slot in both pools. */
const snapshot = (...slots: Slot[]): Snapshot => {
  const servers: ServerState[] = [];
  const stats: Stat[] = [];
  slots.forEach((it, slot) => {
    const { address, port } = it.backend ?? { address: "127.0.0.1", port: 9 };
    for (const pool of ["ready", "alive"] as const) {
      const admin = it.admin ?? READY;
      servers.push({ pool, slot, address, port, operational: 2, admin });
      const status = it[pool] ?? "UP";
      const sessions = pool === "ready" ? (it.sessions ?? 0) : 0;
      const { check: checkStatus = "L7OK", sinceSeconds = 10 } = it;
      stats.push({ pool, slot, status, checkStatus, checkCode: 200, sinceSeconds, sessions });
    }
  });
  return { pid: 1, description: "", maxConnections: 5000, servers, stats };
};
const plan = (
  seen: Snapshot,
  slots: (Backend | undefined)[],
  draining: [number, Draining][] = [],
  nowMs = 0,
): Action[] => planActions(seen, { slots, draining: new Map(draining), nowMs });

describe("planActions", () => {
  it("does nothing when HAProxy does what is wanted", () => {
    const seen = snapshot(
      { backend: M1 },
      { backend: M2, admin: OPENED_AFTER_DISABLED },
      { admin: 5 },
    );
    assert.deepEqual(plan(seen, [M1, M2, undefined]), []);
  });

  it("fills an empty slot, and one that has another address", () => {
    const seen = snapshot({ admin: DISABLED_IN_FILE }, { backend: M1 });
    assert.deepEqual(plan(seen, [M1, M2]), [
      { kind: "fill", slot: 0, backend: M1 },
      { kind: "fill", slot: 1, backend: M2 },
    ]);
  });

  it("opens a wanted server again that somebody put into maintenance or drain", () => {
    assert.deepEqual(plan(snapshot({ backend: M1, admin: 1 }), [M1]), [
      { kind: "fill", slot: 0, backend: M1 },
    ]);
    assert.deepEqual(plan(snapshot({ backend: M1, admin: DRAIN }), [M1]), [
      { kind: "reopen", slot: 0 },
    ]);
  });

  it("drains what is no longer wanted, also if it does not know where that came from", () => {
    const known: [number, Draining][] = [[0, { backend: M1, untilMs: 100 }]];
    assert.deepEqual(plan(snapshot({ backend: M1 }), [undefined], known), [
      { kind: "drain", slot: 0, backend: M1 },
    ]);
    assert.deepEqual(plan(snapshot({ backend: M1 }), [undefined]), [
      { kind: "drain", slot: 0, backend: { ...M1, name: "unknown" } },
    ]);
  });

  it("closes a drained slot when its sessions are gone, or its time is up", () => {
    const draining: [number, Draining][] = [[0, { backend: M1, untilMs: 100 }]];
    const busy = snapshot({ backend: M1, admin: DRAIN, sessions: 1 });
    assert.deepEqual(plan(busy, [undefined], draining, 99), []);
    assert.deepEqual(plan(busy, [undefined], draining, 100), [{ kind: "close", slot: 0 }]);
    const quiet = snapshot({ backend: M1, admin: DRAIN });
    assert.deepEqual(plan(quiet, [undefined], draining, 0), [{ kind: "close", slot: 0 }]);
  });

  it("starts the time of a drain again after its own restart", () => {
    const busy = snapshot({ backend: M1, admin: DRAIN, sessions: 1 });
    assert.equal(plan(busy, [undefined])[0]?.kind, "drain");
  });

  for (const check of ["L4TOUT", "L6TOUT", "L7TOUT"]) {
    it(`cuts the sessions of a server that gives no answer (${check})`, () => {
      const seen = snapshot({ backend: M1, sessions: 2, ready: "DOWN", alive: "DOWN", check });
      assert.deepEqual(plan(seen, [M1]), [{ kind: "cut", slot: 0 }]);
    });
  }

  it("keeps the sessions of a server that has given no answer for a moment only", () => {
    const hung = { backend: M1, sessions: 2, ready: "DOWN", alive: "DOWN", check: "L7TOUT" };
    assert.deepEqual(plan(snapshot({ ...hung, sinceSeconds: 1 }), [M1]), []);
    assert.deepEqual(plan(snapshot({ ...hung, sinceSeconds: 2 }), [M1]), [
      { kind: "cut", slot: 0 },
    ]);
  });

  for (const check of ["L4CON", "L6RSP", "L7RSP", "L7STS", "SOCKERR", "INI", ""]) {
    it(`keeps the sessions when there was an answer, or no check (${check})`, () => {
      const seen = snapshot({ backend: M1, sessions: 2, ready: "DOWN", alive: "DOWN", check });
      assert.deepEqual(plan(seen, [M1]), []);
    });
  }

  it("keeps the sessions of a server that one of the pools still has", () => {
    const check = "L7TOUT";
    for (const status of [
      { ready: "DOWN" },
      { alive: "DOWN" },
      { alive: "UP 1/2", ready: "DOWN" },
    ]) {
      assert.deepEqual(plan(snapshot({ backend: M1, sessions: 2, check, ...status }), [M1]), []);
    }
  });
});
