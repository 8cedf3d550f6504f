import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Engine, type Program } from "./engine";
import type { SpawnRequest } from "./spawn";

// the child of spawnUp: opens a stack that exists and runs `up`

async function main(): Promise<void> {
  const request = JSON.parse(readFileSync(0, "utf8")) as SpawnRequest;
  const module = (await import(resolve(request.module))) as Record<string, unknown>;
  const program = module[request.exportName];
  if (typeof program !== "function") {
    throw new Error(`${request.module} does not export a function ${request.exportName}`);
  }
  const engine = await Engine.open({
    program: program as Program,
    projectFile: request.projectFile,
    stack: request.stack,
    home: request.home,
    plugins: request.plugins,
    passphrase: process.env.PULUMI_CONFIG_PASSPHRASE,
    log: (text) => process.stdout.write(text),
  });
  await engine.up();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
