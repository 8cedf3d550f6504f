import assert from "node:assert/strict";
import { CoalescingQueue } from "../../../updater/apply/coalescing-queue";
import { sleep, waitFor } from "../../haproxy/support/wait";

describe("CoalescingQueue", () => {
  let applied: number[];
  let stop: AbortController;
  beforeEach(() => {
    applied = [];
    stop = new AbortController();
  });
  afterEach(() => stop.abort());
  const collect = (gapMs: number, work: () => Promise<void> = () => Promise.resolve()) =>
    new CoalescingQueue<number>(
      (value) => {
        applied.push(value);
        return work();
      },
      gapMs,
      stop.signal,
    );

  it("applies a single change at once", () => {
    collect(10_000).put(1);
    assert.deepEqual(applied, [1]);
  });

  it("applies the first of a burst, and the last after the gap", async () => {
    const changes = collect(50);
    for (let i = 1; i <= 100; i++) changes.put(i);
    await waitFor("the last", () => applied.includes(100));
    assert.deepEqual(applied, [1, 100]);
  });

  it("applies changes while further ones never pause", async () => {
    const changes = collect(30);
    for (let i = 1; applied.length < 5 && i < 1000; i++) {
      changes.put(i);
      await sleep(2);
    }
    assert.equal(applied.length, 5);
  });

  it("never applies two at a time", async () => {
    let running = 0;
    const changes = collect(1, async () => {
      running += 1;
      assert.equal(running, 1);
      await sleep(30);
      running -= 1;
    });
    for (let i = 1; i <= 5; i++) {
      changes.put(i);
      await sleep(10);
    }
    await waitFor("the last", () => applied.includes(5));
  });

  it("drops a waiting change when it is stopped", async () => {
    const changes = collect(20);
    changes.put(1);
    changes.put(2);
    stop.abort();
    await sleep(60);
    assert.deepEqual(applied, [1]);
  });
});
