/** Bundles the updater into one file for hosts and pods. */
import { join } from "node:path";
import { buildSync } from "esbuild";

/** Limit of the bundle: it travels in a ConfigMap, which holds at most 1 MiB. */
export const MAX_BUNDLE_BYTES = 100_000;

/**
 * The updater as one CommonJS script for Node >= 18; equal sources give equal bytes.
 * @throws Error when it does not build, or is larger than MAX_BUNDLE_BYTES
 */
export function bundleUpdater(): string {
  const result = buildSync({
    absWorkingDir: join(__dirname, ".."),
    entryPoints: ["updater/main.ts"],
    bundle: true,
    minify: true,
    platform: "node",
    target: "node18",
    format: "cjs",
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "silent",
  });
  const text = result.outputFiles[0]?.text;
  if (text === undefined) throw new Error("updater: esbuild wrote no bundle");
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BUNDLE_BYTES) {
    throw new Error(
      `updater: the bundle has ${bytes} bytes, at most ${MAX_BUNDLE_BYTES} are allowed`,
    );
  }
  return text;
}
