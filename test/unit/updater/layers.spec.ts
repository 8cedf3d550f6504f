import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const ROOT = join(__dirname, "../../..");

/** Folders from the bottom up: a file imports from its own layer and from those before it. */
const LAYERS = ["names", "haproxy", "updater/report", "updater/sources updater/apply"];

/** Of updater/ itself: below its folders. `context.ts` has only types, so no code runs back up. */
const BASE = ["backoff", "context", "http", "settings"];

describe("layers of the updater", () => {
  const files = ["haproxy", "updater/report", "updater/sources", "updater/apply"].flatMap(
    (folder) => readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
  );
  const layerOf = (file: string): number =>
    LAYERS.findIndex((layer) => layer.split(" ").includes(dirname(file)) || layer === file);

  for (const file of files) {
    it(`import nothing from above: ${file}`, () => {
      const text = readFileSync(join(ROOT, file), "utf8");
      const imports = [...text.matchAll(/ from "(\.[^"]*)";/g)].map(([, path = ""]) =>
        relative(ROOT, join(ROOT, dirname(file), path)),
      );
      const above = imports.filter((path) => {
        if (dirname(path) === "updater" && BASE.includes(path.slice("updater/".length))) {
          return file.startsWith("haproxy/");
        }
        const layer = layerOf(path);
        return layer < 0 || layer > layerOf(file);
      });
      assert.deepEqual(above, []);
    });
  }

  it("load no code by context.ts", () => {
    const text = readFileSync(join(ROOT, "updater/context.ts"), "utf8");
    assert.doesNotMatch(text, /^import (?!type )/m);
  });
});
