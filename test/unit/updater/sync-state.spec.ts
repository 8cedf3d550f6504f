import assert from "node:assert/strict";
import { SyncState } from "../../../updater/sources/sync-state";

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
    sync.confirm("a");
    assert.equal(sync.seconds, undefined);
    sync.confirm("b");
    assert.equal(sync.seconds, 0);
  });

  it("has the age of the oldest confirmation", () => {
    sync.confirm("a");
    nowMs = 2000;
    sync.confirm("b");
    nowMs = 5000;
    assert.equal(sync.seconds, 5);
  });
});
