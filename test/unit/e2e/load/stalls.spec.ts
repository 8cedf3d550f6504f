import assert from "node:assert/strict";
import { STALL_MS, StallMeter } from "../../../../e2e/load/stalls";
import type { Period } from "../../../../e2e/load/types";

describe("stalls of the load generator", () => {
  function setUp() {
    const clock = { now: 10_000, wall: () => clock.now + 1_000_000, steady: () => clock.now };
    const stalls: Period[] = [];
    const meter = new StallMeter(clock, (stall) => stalls.push(stall));
    const tickAfter = (ms: number) => {
      clock.now += ms;
      meter.tick();
    };
    return { stalls, tickAfter };
  }

  it("are none while the event loop turns in time", () => {
    const { stalls, tickAfter } = setUp();
    for (const ms of [5, 50, STALL_MS - 1]) tickAfter(ms);
    assert.deepEqual(stalls, []);
  });

  it("have the times at which the event loop stopped and went on", () => {
    const { stalls, tickAfter } = setUp();
    tickAfter(5);
    tickAfter(STALL_MS);
    tickAfter(5);
    tickAfter(3000);
    assert.deepEqual(stalls, [
      { from: 1_010_005, to: 1_010_005 + STALL_MS },
      { from: 1_010_010 + STALL_MS, to: 1_013_010 + STALL_MS },
    ]);
  });
});
