import assert from "node:assert/strict";
import type { Snapshot } from "../../../haproxy/runtime";
import { DrainTracker } from "../../../updater/apply/drain-tracker";

const M1 = { name: "m1", address: "10.0.0.1", port: 6443 };
const EMPTY = { slots: [undefined] };
const drain = { desired: EMPTY, steps: [{ kind: "drain", slot: 0, backend: M1 }] } as const;
const MAINTENANCE = 1;

describe("DrainTracker", () => {
  let drains: DrainTracker;
  beforeEach(() => (drains = new DrainTracker()));
  const deadlines = () => [...drains.slots].map(([slot, { untilMs }]) => [slot, untilMs]);

  it("starts the deadline of a removed backend with the change", () => {
    drains.plan(drain, 30);
    drains.begin(0, { backend: M1, untilMs: 99 });
    assert.deepEqual(deadlines(), [[0, 30]]);
  });

  it("takes back the drains of a refused change", () => {
    drains.plan(drain, 30)();
    assert.deepEqual(deadlines(), []);
  });

  it("ends when a backend takes the slot", () => {
    drains.plan(drain, 30);
    drains.plan(
      { desired: { slots: [M1] }, steps: [{ kind: "reopen", slot: 0, backend: M1 }] },
      60,
    );
    assert.deepEqual(deadlines(), []);
  });

  for (const [state, admin, rest] of [
    ["keeps a slot that HAProxy drains", 8, 1],
    ["forgets a slot that HAProxy has closed", MAINTENANCE, 0],
  ] as const) {
    it(state, () => {
      drains.plan(drain, 30);
      drains.endClosed({ servers: [{ slot: 0, admin }] } as unknown as Snapshot);
      assert.equal(drains.slots.size, rest);
    });
  }
});
