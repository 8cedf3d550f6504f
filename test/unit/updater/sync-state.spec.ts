import assert from "node:assert/strict";
import { SyncState } from "../../../updater/sources/sync-state";

const M1 = { address: "10.0.0.1", port: 6443 };
const M2 = { address: "10.0.0.2", port: 6443 };

describe("SyncState", () => {
  let nowMs = 0;
  let sync: SyncState;
  beforeEach(() => {
    nowMs = 0;
    sync = new SyncState(() => nowMs);
    sync.expect("a");
    sync.expect("b");
  });

  it("is not in sync until each source is confirmed", () => {
    sync.confirm("a", M1);
    assert.equal(sync.seconds, undefined);
    sync.confirm("b", M2);
    assert.equal(sync.seconds, 0);
  });

  it("has the age of the oldest confirmation", () => {
    sync.confirm("a", M1);
    nowMs = 2000;
    sync.confirm("b", M2);
    nowMs = 5000;
    assert.equal(sync.seconds, 5);
  });

  it("remembers the API servers that answered, the latest first", () => {
    for (const apiServer of [M1, M2, M1]) sync.confirm("a", apiServer);
    assert.deepEqual(sync.answered, [M1, M2]);
  });

  it("remembers no more than 16 API servers", () => {
    for (let port = 1; port <= 40; port += 1) sync.confirm("a", { address: "10.0.0.1", port });
    assert.equal(sync.answered.length, 16);
    assert.equal(sync.answered[0]?.port, 40);
  });
});
