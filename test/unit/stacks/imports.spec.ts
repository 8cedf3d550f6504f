import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { buildSync } from "esbuild";
import { describe, it } from "mocha";

const ROOT = path.resolve(__dirname, "../../..");

describe("what index.ts imports", () => {
  const { metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: ["index.ts"],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    packages: "external",
    logLevel: "silent",
  });
  const files = Object.keys(metafile.inputs);

  it("is installed for everybody who runs `pulumi up`", () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const packages = files
      .flatMap((file) => metafile.inputs[file]?.imports ?? [])
      .filter(({ external }) => external)
      .map(({ path: name }) => name.replace(/^node:/, ""))
      .filter((name) => !builtinModules.includes(name))
      .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
    const missing = [...new Set(packages)].filter((name) => !(name in dependencies));
    assert.deepEqual(missing, []);
  });

  it("holds nothing of the lab, the demo or the tests", () => {
    assert.ok(files.length > 30);
    const foreign = files.filter((file) => /^(lab|e2e|status|test|pulumi-test-utils)\//.test(file));
    assert.deepEqual(foreign, []);
  });
});
