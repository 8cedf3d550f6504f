import { gzipSync } from "node:zlib";

/** Limits of user data that are met in the field, in KiB. */
const LIMITS = [16, 32, 64] as const;

const KIB = 1024;

/**
 * A table of the documents' sizes, plain and in gzip (which cloud-init takes too), with the smallest
 * limit of the field that each one fits.
 */
export function sizesTable(documents: ReadonlyMap<string, string>): string {
  const rows = [...documents].map(([name, text]) => {
    const plain = Buffer.byteLength(text);
    const packed = gzipSync(text, { level: 9 }).length;
    return [name, kib(plain), fits(plain), kib(packed), fits(packed)];
  });
  const all = [["machine", "plain", "fits", "gzip", "fits"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function kib(bytes: number): string {
  return `${(bytes / KIB).toFixed(1)} KiB`;
}

function fits(bytes: number): string {
  const limit = LIMITS.find((each) => bytes <= each * KIB);
  return limit === undefined ? `over ${LIMITS.at(-1)} KiB` : `${limit} KiB`;
}
