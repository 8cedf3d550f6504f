import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBackend, MAX_BACKENDS, type Backend } from "../../../haproxy/model";
import { DISCOVERY_MODES } from "../../../updater/settings";
import {
  splitBySource,
  trackSlice,
  isOverdue,
  mergeSources,
  type Member,
} from "../../../updater/sources/merge-sources";

const RETAIN_MS = 3_600_000;
const addressOf = (n: number): string => `10.0.${n >> 8}.${n & 255}`;
const server = (n: number): Backend => ({ name: addressOf(n), address: addressOf(n), port: 6443 });
const member = (n: number, departedAtMs?: number): Member => ({
  address: addressOf(n),
  port: 6443,
  ...(departedAtMs === undefined ? {} : { departedAtMs }),
});
const entry = (n: number, name = `m${n}`): Backend => ({ ...server(n), name });
const names = (backends: readonly Backend[]): string[] => backends.map(({ name }) => name);

/** Enough to reach the limit. */
const MOST = 2 * MAX_BACKENDS - 4;

const numbers = fc.uniqueArray(fc.integer({ min: 1, max: MOST }), { maxLength: MOST, size: "max" });
const members = numbers.chain((all) =>
  fc.tuple(...all.map((n) => fc.option(fc.nat(100), { nil: undefined }).map((t) => member(n, t)))),
);
const entries = fc
  .uniqueArray(fc.integer({ min: 1, max: MOST }), { maxLength: MAX_BACKENDS, size: "max" })
  .map((all) => all.map((n) => entry(n)));

describe("trackSlice", () => {
  it("keeps a departed member until its retention is over", () => {
    let now = trackSlice([], [server(1), server(2)], 0, RETAIN_MS);
    now = trackSlice(now, [server(1)], 1000, RETAIN_MS);
    assert.deepEqual(now, [member(1), member(2, 1000)]);
    now = trackSlice(now, [server(1)], 999 + RETAIN_MS, RETAIN_MS);
    assert.deepEqual(now, [member(1), member(2, 1000)]);
    assert.ok(!isOverdue(now, 999 + RETAIN_MS, RETAIN_MS));
    assert.ok(isOverdue(now, 1000 + RETAIN_MS, RETAIN_MS));
    now = trackSlice(now, [server(1)], 1000 + RETAIN_MS, RETAIN_MS);
    assert.deepEqual(now, [member(1)]);
  });

  it("starts retention again for a member that returns and departs again", () => {
    let now = trackSlice([member(1), member(2, 0)], [server(1), server(2)], 10, RETAIN_MS);
    now = trackSlice(now, [server(1)], 20, RETAIN_MS);
    assert.deepEqual(now, [member(1), member(2, 20)]);
  });

  it("drops no member because of an empty slice, nor soon after it", () => {
    const late = 10 * RETAIN_MS;
    const after = trackSlice([member(1), member(2, 0)], [], late, RETAIN_MS);
    assert.deepEqual(after, [member(1), member(2)]);
    assert.ok(!isOverdue(after, 2 * late, RETAIN_MS));
    assert.deepEqual(trackSlice(after, [server(1)], 2 * late, RETAIN_MS), [
      member(1),
      member(2, 2 * late),
    ]);
  });

  it("keeps no member longer because the clock was set back", () => {
    const now = trackSlice([member(1), member(2, 5 * RETAIN_MS)], [server(1)], 10, RETAIN_MS);
    assert.deepEqual(now, [member(1), member(2, 10)]);
  });

  it("has exactly the members that were in a slice within the retention (model)", () => {
    const step = fc.record({
      waitMs: fc.nat(40),
      slice: fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const retainMs = 60;
        const leftAt = new Map<number, number>();
        let present: number[] = [];
        let now = 0;
        let seen: Member[] = [];
        for (const { waitMs, slice } of steps) {
          now += waitMs;
          for (const n of present) if (!slice.includes(n)) leftAt.set(n, now);
          for (const n of slice) leftAt.delete(n);
          for (const [n, at] of leftAt) if (now - at >= retainMs) leftAt.delete(n);
          present = slice;
          seen = trackSlice(seen, slice.map(server), now, retainMs);
          const expected = [
            ...slice.map((n) => member(n)),
            ...[...leftAt].map((it) => member(...it)),
          ];
          assert.deepEqual(byPlace(seen), byPlace(expected));
        }
      }),
    );
  });
});

describe("mergeSources", () => {
  it("names a backend by its entry, else by its address", () => {
    const { backends } = mergeSources([entry(1)], [member(1), member(2), member(3, 5)]);
    assert.deepEqual(names(backends), ["10.0.0.2", "10.0.0.3", "m1"]);
  });

  it("keeps a server that either source has", () => {
    assert.deepEqual(mergeSources([], [member(1)]).backends, [server(1)]);
    assert.deepEqual(mergeSources([entry(1)], []).backends, [entry(1)]);
  });

  it("gives two servers two names, also when an entry has another's address as name", () => {
    const { backends } = mergeSources(
      [entry(1, "10.0.0.2")],
      [member(2), { ...member(3), port: 7443 }, member(3, 1)],
    );
    assert.deepEqual(names(backends), ["10.0.0.2", "10.0.0.2:6443", "10.0.0.3", "10.0.0.3:6443"]);
  });

  it("drops those that departed first beyond the limit, and refuses members of the slice", () => {
    const some = Array.from({ length: MAX_BACKENDS - 2 }, (_, i) => entry(i + 1));
    const { backends, refused } = mergeSources(some, [
      member(MOST, 10),
      member(MOST + 1, 30),
      member(MOST + 2, 20),
    ]);
    assert.deepEqual(names(backends).slice(0, 2), [
      server(MOST + 1).address,
      server(MOST + 2).address,
    ]);
    assert.equal(backends.length, MAX_BACKENDS);
    assert.deepEqual(refused, []);
    const { address } = server(MOST + 2);
    const full = mergeSources(some, [
      member(MOST),
      member(MOST + 1),
      member(MOST + 2),
      member(MOST + 3, 1),
    ]);
    assert.deepEqual(full.refused, [
      { key: address, value: `${address}:6443`, reason: `more than ${MAX_BACKENDS} backends` },
    ]);
  });

  it("has at most MAX_BACKENDS servers and names, each different, in any order of the input", () => {
    fc.assert(
      fc.property(entries, members, fc.nat(), (named, all, turn) => {
        const { backends } = mergeSources(named, all);
        const known = new Set([...named, ...all].map(formatBackend));
        assert.equal(backends.length, Math.min(MAX_BACKENDS, known.size));
        assert.equal(new Set(backends.map(formatBackend)).size, backends.length);
        assert.equal(new Set(names(backends)).size, backends.length);
        assert.deepEqual(names(backends), names(backends).sort());
        for (const backend of named) assert.ok(backends.some((it) => it.name === backend.name));
        const turned = [...all.slice(turn % MOST), ...all.slice(0, turn % MOST)];
        assert.deepEqual(mergeSources([...named].reverse(), turned).backends, backends);
      }),
    );
  });

  it("drops no member that departed later than one it keeps", () => {
    fc.assert(
      fc.property(entries, members, (named, all) => {
        const taken = new Set(mergeSources(named, all).backends.map(formatBackend));
        const time = ({ departedAtMs }: Member): number => departedAtMs ?? Infinity;
        const only = all.filter((it) => !named.some((e) => formatBackend(e) === formatBackend(it)));
        const out = only.filter((it) => !taken.has(formatBackend(it)));
        const inside = only.filter((it) => taken.has(formatBackend(it)));
        for (const a of out) for (const b of inside) assert.ok(time(a) <= time(b));
      }),
    );
  });
});

describe("splitBySource", () => {
  it("is the inverse of mergeSources in every mode", () => {
    fc.assert(
      fc.property(entries, members, (named, all) => {
        const desired = mergeSources(named, all).backends;
        for (const mode of DISCOVERY_MODES) {
          const start = splitBySource(mode, desired, 7);
          const again = mergeSources(start.entries, start.members).backends;
          assert.deepEqual(again.map(formatBackend).sort(), desired.map(formatBackend).sort());
        }
        const both = splitBySource("both", desired, 7);
        assert.deepEqual(mergeSources(both.entries, both.members).backends, desired);
      }),
    );
  });

  it("makes a backend named by its address a member that has just departed", () => {
    const all = [entry(1), server(2)];
    assert.deepEqual(splitBySource("configMap", all, 7), { entries: all, members: [] });
    assert.deepEqual(splitBySource("both", all, 7), {
      entries: [entry(1)],
      members: [member(2, 7)],
    });
    assert.deepEqual(splitBySource("endpoints", all, 7), {
      entries: [],
      members: [member(1, 7), member(2, 7)],
    });
  });
});

function byPlace(all: readonly Member[]): Member[] {
  return [...all].sort((a, b) => (formatBackend(a) < formatBackend(b) ? -1 : 1));
}
