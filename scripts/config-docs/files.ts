/** The files that `npm run generate` writes from the schema of the configuration. */
import { readFileSync } from "node:fs";
import path from "node:path";
import prettier from "prettier";
import { stackFileSchema } from "./json-schema";
import { fillTables } from "./markdown";
import { withConfigBlock } from "./pulumi-yaml";

const ROOT = path.resolve(__dirname, "../..");

const FILES: Readonly<Record<string, (current: () => string) => string>> = {
  "Pulumi.yaml": (current) => withConfigBlock(current()),
  "docs/configuration.md": (current) => fillTables(current()),
  "config.schema.json": () => JSON.stringify(stackFileSchema()),
};

export interface GeneratedFile {
  /** Absolute. */
  readonly path: string;
  /** Relative to the project. */
  readonly name: string;
  readonly text: string;
}

/**
 * The files as they should be. What no schema says, such as prose, comes from the files as they
 * are.
 */
export async function generatedFiles(): Promise<GeneratedFile[]> {
  return Promise.all(
    Object.entries(FILES).map(async ([name, render]) => {
      const file = path.join(ROOT, name);
      const text = render(() => readFileSync(file, "utf8"));
      const style = await prettier.resolveConfig(file);
      return { path: file, name, text: await prettier.format(text, { ...style, filepath: file }) };
    }),
  );
}
