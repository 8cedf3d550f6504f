import assert from "node:assert/strict";
import type { Snapshot } from "../../../haproxy/runtime";
import { hungSlots, refusedSlots } from "../../../updater/apply/unresponsive";

/** What is seen of slot 0 in HAProxy's `show stat`. */
interface Look {
  readonly check: string;
  readonly status?: string;
  readonly seconds?: number;
}

function snapshot({ check, status = "DOWN", seconds = 0 }: Look): Snapshot {
  const shown = { status, checkStatus: check, checkCode: 0, sinceSeconds: seconds, sessions: 2 };
  const stats = (["ready", "alive"] as const).map((pool) => ({ pool, slot: 0, ...shown }));
  return { pid: 1, description: "", maxConnections: 5000, servers: [], stats };
}

/** For each look, one after the other: whether the server hangs. */
function hangs(...looks: Look[]): boolean[] {
  let refused: ReadonlySet<number> = new Set();
  return looks.map((look) => {
    refused = refusedSlots(snapshot(look), refused);
    return hungSlots(snapshot(look), refused).has(0);
  });
}

describe("a server without an answer", () => {
  for (const check of ["L4TOUT", "L6TOUT", "L7TOUT"]) {
    it(`hangs when it is down for 2 s (${check})`, () => {
      assert.deepEqual(hangs({ check, seconds: 1 }, { check, seconds: 2 }), [false, true]);
    });
  }

  for (const check of ["L4CON", "L6RSP", "L7RSP", "L7STS", "SOCKERR", "INI", ""]) {
    it(`does not hang while there is an answer, or no check (${check})`, () => {
      assert.deepEqual(hangs({ check }, { check, seconds: 20 }), [false, false]);
    });
  }

  for (const status of ["DOWN", "UP 1/2"]) {
    it(`hangs only after 10 s when a check was refused before (${status})`, () => {
      const check = "L6TOUT";
      const seen = hangs(
        { check: "L4CON", status },
        { check, seconds: 2 },
        { check, seconds: 9 },
        { check, seconds: 10 },
      );
      assert.deepEqual(seen, [false, false, false, true]);
    });
  }

  it("hangs after 2 s when its host becomes unreachable after a refusal", () => {
    const seen = hangs({ check: "L4CON" }, { check: "L4TOUT", seconds: 2 });
    assert.deepEqual(seen, [false, true]);
  });

  it("hangs after 2 s when it was up after a refusal", () => {
    const seen = hangs(
      { check: "L4CON" },
      { check: "L7OK", status: "UP" },
      { check: "L7TOUT", status: "UP 1/2" },
      { check: "L7TOUT", seconds: 2 },
    );
    assert.deepEqual(seen, [false, false, false, true]);
  });

  it("does not hang after a single check without an answer, or in maintenance", () => {
    for (const status of ["UP", "UP 1/2", "MAINT"]) {
      assert.deepEqual(hangs({ check: "L7TOUT", status, seconds: 9 }), [false]);
    }
  });
});
