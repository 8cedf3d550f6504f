import assert from "node:assert/strict";
import fc from "fast-check";
import { backoffMs } from "../../../updater/backoff";

describe("backoffMs", () => {
  it("doubles from 200 ms to at most 5 s, of which up to half is jitter", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 100].map((attempt) => backoffMs(attempt, () => 1)),
      [200, 400, 800, 1600, 3200, 5000, 5000],
    );
    const number = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(1000), number, (attempt, random) => {
        const whole = backoffMs(attempt, () => 1);
        const pause = backoffMs(attempt, () => random);
        assert.ok(pause >= whole / 2 - 1 && pause <= whole);
      }),
    );
  });
});
