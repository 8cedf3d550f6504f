import assert from "node:assert/strict";
import { WatchedEvents } from "../../../../e2e/load/watched-events";

function setUp() {
  const events = new WatchedEvents(5000);
  events.startAfter(100);
  return events;
}

describe("events of a watch", () => {
  it("misses nothing when every write is delivered, before or after its acknowledgement", () => {
    const events = setUp();
    events.delivered(1, 101, 0);
    events.acknowledged(1, 101, 1);
    events.acknowledged(2, 102, 2);
    events.delivered(2, 102, 3);
    events.giveUpAfter(1000, 100_000);
    assert.deepEqual(events.take(), { missed: 0, late: 0 });
    assert.equal(events.revision, 102);
  });

  it("misses a skipped write, whether it is acknowledged before or after", () => {
    const events = setUp();
    events.acknowledged(1, 101, 0);
    events.delivered(3, 103, 1);
    assert.equal(events.take().missed, 1);
    events.acknowledged(2, 102, 2);
    assert.equal(events.take().missed, 1);
    events.acknowledged(3, 103, 2);
    assert.equal(events.take().missed, 0);
  });

  it("expects no write from before the watch began", () => {
    const events = new WatchedEvents(5000);
    events.acknowledged(1, 99, 0);
    events.startAfter(100);
    events.acknowledged(2, 100, 0);
    events.giveUpAfter(0, 100_000);
    assert.equal(events.take().missed, 0);
  });

  it("reports how long the oldest write has waited, and counts a write as late after the deadline", () => {
    const events = setUp();
    events.acknowledged(1, 101, 1000);
    events.acknowledged(2, 102, 2000);
    assert.equal(events.oldestWaitMs(7000), 6000);
    events.delivered(1, 101, 7000);
    assert.deepEqual(events.take(), { missed: 0, late: 1 });
    assert.equal(events.oldestWaitMs(7000), 5000);
  });

  it("misses a write that waits for too long, and writes before the revision of a restart", () => {
    const events = setUp();
    events.acknowledged(1, 101, 0);
    events.giveUpAfter(1000, 1001);
    assert.equal(events.take().missed, 1);
    events.acknowledged(2, 102, 2000);
    events.acknowledged(3, 103, 2000);
    events.restartAfter(102);
    assert.equal(events.take().missed, 1);
    events.delivered(3, 103, 2001);
    assert.equal(events.take().missed, 0);
  });
});
