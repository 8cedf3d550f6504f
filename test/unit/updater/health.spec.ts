import assert from "node:assert/strict";
import { Health } from "../../../updater/report/health";

describe("the updater's health", () => {
  let now: number;
  let isSynced: boolean;
  let health: Health;

  beforeEach(() => {
    [now, isSynced] = [0, false];
    health = new Health(
      () => isSynced,
      () => now,
    );
  });

  it("is not ready until the backends are listed and applied", () => {
    assert.match(health.notReady ?? "", /no API server has listed the backends yet/);
    isSynced = true;
    assert.match(health.notReady ?? "", /not applied/);
    health.applied();
    assert.equal(health.notReady, undefined);
  });

  it("is not live when no look at HAProxy ends for a minute", () => {
    now = 59_000;
    assert.equal(health.notLive, undefined);
    now = 61_000;
    assert.equal(health.notLive, "no look at HAProxy has ended for 61 s");
    health.looked();
    assert.equal(health.notLive, undefined);
  });
});
