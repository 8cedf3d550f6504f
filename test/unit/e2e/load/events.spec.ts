import assert from "node:assert/strict";
import { WatchedEvents } from "../../../../e2e/load/events";

function setUp() {
  const events = new WatchedEvents(5000);
  events.startAfter(100);
  return events;
}

describe("events of a watch", () => {
  it("misses nothing when every write is shown, before or after its answer", () => {
    const events = setUp();
    events.shown(1, 101, 0);
    events.acknowledged(1, 101, 1);
    events.acknowledged(2, 102, 2);
    events.shown(2, 102, 3);
    events.giveUpAfter(1000, 100_000);
    assert.deepEqual(events.take(), { missed: 0, late: 0 });
    assert.equal(events.revision, 102);
  });

  it("misses a write that is jumped over, whether its answer comes before or after", () => {
    const events = setUp();
    events.acknowledged(1, 101, 0);
    events.shown(3, 103, 1);
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

  it("says how long the oldest write waits, and calls a write late after the deadline", () => {
    const events = setUp();
    events.acknowledged(1, 101, 1000);
    events.acknowledged(2, 102, 2000);
    assert.equal(events.oldestWaitMs(7000), 6000);
    events.shown(1, 101, 7000);
    assert.deepEqual(events.take(), { missed: 0, late: 1 });
    assert.equal(events.oldestWaitMs(7000), 5000);
  });

  it("misses what waits for too long, and what a new start leaves behind", () => {
    const events = setUp();
    events.acknowledged(1, 101, 0);
    events.giveUpAfter(1000, 1001);
    assert.equal(events.take().missed, 1);
    events.acknowledged(2, 102, 2000);
    events.acknowledged(3, 103, 2000);
    events.restartAfter(102);
    assert.equal(events.take().missed, 1);
    events.shown(3, 103, 2001);
    assert.equal(events.take().missed, 0);
  });
});
