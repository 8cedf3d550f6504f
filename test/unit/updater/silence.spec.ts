import assert from "node:assert/strict";
import type { Snapshot } from "../../../haproxy/runtime";
import { hungSlots, lookAt, type Patience } from "../../../updater/silence";

/** What is seen of slot 0, and when. */
interface Look {
  readonly atMs: number;
  readonly check: string;
  readonly status?: string;
  readonly downMs?: number;
}

function snapshot({ check, status = "DOWN", downMs = 0 }: Look): Snapshot {
  const sinceSeconds = Math.floor(downMs / 1000);
  const shown = { status, checkStatus: check, checkCode: 0, sinceSeconds, sessions: 2 };
  const stats = (["ready", "alive"] as const).map((pool) => ({ pool, slot: 0, ...shown }));
  return { pid: 1, description: "", maxConnections: 5000, servers: [], stats };
}

/** For each look: whether the server hangs. */
function hangs(...looks: Look[]): boolean[] {
  let patience: Patience = new Map();
  return looks.map((look) => {
    patience = lookAt(snapshot(look), patience, look.atMs);
    return hungSlots(snapshot(look), patience, look.atMs).has(0);
  });
}

describe("a server without any answer", () => {
  for (const check of ["L4TOUT", "L6TOUT", "L7TOUT"]) {
    it(`hangs when it is down for 2 s (${check})`, () => {
      const seen = hangs({ atMs: 100, check }, { atMs: 2099, check }, { atMs: 2100, check });
      assert.deepEqual(seen, [false, false, true]);
    });
  }

  it("hangs at the first look of an updater that has just started, when it is down for long", () => {
    assert.deepEqual(hangs({ atMs: 0, check: "L7TOUT", downMs: 2000 }), [true]);
  });

  for (const check of ["L4CON", "L6RSP", "L7RSP", "L7STS", "SOCKERR", "INI", ""]) {
    it(`does not hang while there is an answer, or no check (${check})`, () => {
      assert.deepEqual(hangs({ atMs: 0, check }, { atMs: 20_000, check }), [false, false]);
    });
  }

  it("has 10 s when it began with refused connections: its next process has the port open before it serves", () => {
    const check = "L6TOUT";
    const seen = hangs(
      { atMs: 0, check: "L4CON" },
      { atMs: 2000, check },
      { atMs: 9999, check },
      { atMs: 10_000, check },
    );
    assert.deepEqual(seen, [false, false, false, true]);
  });

  it("hangs as before when it goes down once more without an answer", () => {
    const seen = hangs(
      { atMs: 0, check: "L4CON" },
      { atMs: 1000, check: "L7OK", status: "UP" },
      { atMs: 2000, check: "L7TOUT" },
      { atMs: 4000, check: "L7TOUT" },
    );
    assert.deepEqual(seen, [false, false, false, true]);
  });

  it("does not hang while a single check is without an answer, or in maintenance", () => {
    for (const status of ["UP", "UP 1/2", "MAINT"]) {
      assert.deepEqual(hangs({ atMs: 0, check: "L7TOUT", status, downMs: 9000 }), [false]);
    }
  });
});
