import assert from "node:assert/strict";
import { Readiness, type Progress } from "../../../updater/report/readiness";

const SYNCED: Progress = { isSynced: true, waitingForToken: false, states: ["ready", "down"] };

describe("Readiness", () => {
  let nowMs: number;
  let readiness: Readiness;
  beforeEach(() => {
    nowMs = 0;
    readiness = new Readiness(() => nowMs);
  });
  const notReady = (changes: Partial<Progress>) => readiness.notReady({ ...SYNCED, ...changes });

  it("waits for backends, for HAProxy, for the token, and for the first sync", () => {
    assert.match(notReady({ states: [] }) ?? "", /no backends yet/);
    assert.match(notReady({ states: ["unknown"] }) ?? "", /HAProxy does not answer/);
    assert.match(notReady({ isSynced: false, waitingForToken: true }) ?? "", /for the token/);
    assert.match(notReady({ isSynced: false }) ?? "", /none has sent the backends/);
    assert.match(notReady({ isSynced: false, states: ["leaving"] }) ?? "", /none has sent/);
    assert.equal(notReady({}), undefined);
  });

  it("is ready with the last good backends while no API server is ready", () => {
    assert.equal(notReady({ isSynced: false, states: ["alive", "down"] }), undefined);
  });

  it("stays ready when the API, HAProxy or the token goes away", () => {
    assert.equal(notReady({}), undefined);
    const worse = { isSynced: false, waitingForToken: true, states: ["unknown" as const] };
    assert.equal(notReady(worse), undefined);
  });

  it("is live as long as looks at HAProxy end", () => {
    nowMs = 89_000;
    assert.equal(readiness.notLive(), undefined);
    readiness.looked();
    nowMs += 89_000;
    assert.equal(readiness.notLive(), undefined);
    nowMs += 1000;
    assert.equal(readiness.notLive(), "no look at HAProxy has ended for 90 s");
  });
});
