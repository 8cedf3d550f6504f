/**
 * Times as operators write them, like HAProxy's and Kubernetes': a whole number with a unit. Inside
 * the program they are numbers.
 */

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What `parseDuration` reads. */
export const DURATION = /^(0|[1-9][0-9]{0,9})(ms|s|m|h|d)$/;

/**
 * Milliseconds of a text like `700ms`, `30s`, `10m`, `24h` or `7d`; undefined for any other text.
 */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  return unit === undefined ? undefined : Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** The shortest text for so many milliseconds: `90_000` is `90s`, `60_000` is `1m`. */
export function formatDuration(ms: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(
    ([, each]) => ms % each === 0 && ms >= each,
  ) ?? ["s", 1000];
  return `${ms / size}${unit}`;
}
