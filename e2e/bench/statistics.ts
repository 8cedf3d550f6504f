/** Summary of a series of times, in milliseconds. */
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
 * For each change the time from its acknowledgement until every reader has read again. Changes that
 * a reader did not read any more are left out.
 * @param acknowledged when each change was acknowledged
 * @param reads for each reader, when it read, ascending
 */
export function untilAllRead(
  acknowledged: readonly number[],
  reads: readonly (readonly number[])[],
): number[] {
  return acknowledged.flatMap((at) => {
    const next = reads.map((times) => times.find((time) => time >= at));
    if (next.includes(undefined)) return [];
    return Math.max(...(next as number[])) - at;
  });
}
