import { buildSync } from "esbuild";
import { resolve } from "node:path";

/** The plugins that have a stand-in, with the versions of the SDKs that ask for them. */
export const PLUGINS = { command: "1.2.1", kubernetes: "4.34.2" } as const;

export type PluginName = keyof typeof PLUGINS;

/** The stand-in of a plugin as one script for Node >= 18. */
export function bundleStandIn(name: PluginName): string {
  const result = buildSync({
    entryPoints: [resolve(__dirname, "../plugins", name, "main.ts")],
    bundle: true,
    platform: "node",
    target: "node18",
    format: "cjs",
    minify: true,
    write: false,
    logLevel: "error",
    // optional native parts of ssh2
    external: ["cpu-features", "*.node"],
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error(`esbuild gave no script for the ${name} stand-in`);
  return file.text;
}
