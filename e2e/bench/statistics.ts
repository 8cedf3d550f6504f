/** What a series of times says; all in milliseconds. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Summary of a series; zeros for an empty one. Percentiles by nearest rank. */
export function summarize(times: readonly number[]): Summary {
  const sorted = sort(times);
  return {
    count: sorted.length,
    p50: percentile(sorted, 50),
    p99: percentile(sorted, 99),
    max: sorted.at(-1) ?? 0,
  };
}

/** @param sorted ascending */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

/** Ascending copy. */
export function sort(times: readonly number[]): number[] {
  return [...times].sort((a, b) => a - b);
}

/**
 * For changes that were acknowledged at `acknowledged`: how long until every one of some followers has looked again.
 * Changes after which a follower has not looked any more are left out.
 * @param looks of each follower, when it looked, ascending
 */
export function untilAllLooked(
  acknowledged: readonly number[],
  looks: readonly (readonly number[])[],
): number[] {
  return acknowledged.flatMap((at) => {
    const next = looks.map((times) => times.find((time) => time >= at));
    if (next.includes(undefined)) return [];
    return Math.max(...(next as number[])) - at;
  });
}
