import { writeFileSync } from "node:fs";
import { generatedFiles } from "./config-docs/files";

/** Writes the documents that come from the schema of the configuration. */
async function main(): Promise<void> {
  for (const { path, name, text } of await generatedFiles()) {
    writeFileSync(path, text);
    console.log(`wrote ${name}`);
  }
}

void main();
