import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { describe, it } from "mocha";
import ts from "typescript";

const ROOT = path.resolve(__dirname, "../../..");

/** The program, the operator's command and the updater: all of these load production code only. */
const ENTRIES = ["index.ts", "render/main.ts", "status/main.ts", "updater/main.ts"];

/** Folders from top to bottom: a file imports from its own folder and from lower floors only. */
const FLOORS: readonly (readonly string[])[] = [
  ["index.ts", "render", "status"],
  ["stacks"],
  ["components"],
  ["objects"],
  ["host", "pod"],
  ["updater"],
  ["haproxy"],
  ["names.ts"],
];

const MAX_LINES = 300;

interface Import {
  readonly from: string;
  /** A file of the project, or the name of a package. */
  readonly to: string;
  readonly isPackage: boolean;
}

/** All imports of these files and of the files that they load, type-only ones included. */
function walk(entries: readonly string[]): Import[] {
  const imports: Import[] = [];
  const files = [...entries];
  for (const from of files) {
    const found = importsOf(from);
    imports.push(...found);
    for (const { to, isPackage } of found) {
      if (!isPackage && floorOf(to) >= 0 && !files.includes(to)) files.push(to);
    }
  }
  return imports;
}

function importsOf(from: string): Import[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path.join(ROOT, from), "utf8"));
  return importedFiles.map(({ fileName }) => {
    if (!fileName.startsWith(".")) return { from, to: fileName, isPackage: true };
    const target = path.join(path.dirname(from), fileName);
    const file = [`${target}.ts`, `${target}/index.ts`, target].find((each) =>
      existsSync(path.join(ROOT, each)),
    );
    assert.ok(file, `${from} imports ${fileName}, which is no file`);
    return { from, to: file, isPackage: false };
  });
}

const topOf = (file: string) => file.split("/")[0] ?? "";

/** The number of a file's floor, counted from the top; -1 outside production code. */
const floorOf = (file: string) => FLOORS.findIndex((folders) => folders.includes(topOf(file)));

describe("production code", () => {
  const imports = walk(ENTRIES);
  const inside = imports.filter(({ isPackage }) => !isPackage);

  it("is what the walk over the imports finds", () => {
    const folders = new Set(inside.flatMap(({ from, to }) => [topOf(from), topOf(to)]));
    assert.deepEqual([...folders].sort(), FLOORS.flat().sort());
  });

  it("imports nothing of the lab, the demo, the scripts or the tests", () => {
    assert.deepEqual(inside.filter(({ to }) => floorOf(to) === -1).map(arrow), []);
  });

  it("imports from lower floors only", () => {
    const wrong = inside.filter(
      ({ from, to }) => topOf(from) !== topOf(to) && floorOf(to) <= floorOf(from),
    );
    assert.deepEqual(wrong.map(arrow), []);
  });

  it("needs no package but those in `dependencies`", () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const missing = imports
      .filter(({ isPackage }) => isPackage)
      .filter(({ to }) => !to.startsWith("node:") && !builtinModules.includes(to))
      .filter(({ to }) => !((/^(@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to) in dependencies));
    assert.deepEqual(missing.map(arrow), []);
  });

  it(`has no file of more than ${MAX_LINES} lines`, () => {
    const folders = FLOORS.flat().map((name) => (name.endsWith(".ts") ? name : `${name}/**/*.*`));
    const long = globSync(folders, { cwd: ROOT })
      .map((file) => ({ file, lines: readFileSync(path.join(ROOT, file), "utf8").split("\n") }))
      .filter(({ lines }) => lines.length > MAX_LINES + 1)
      .map(({ file, lines }) => `${file}: ${lines.length - 1} lines`);
    assert.deepEqual(long, []);
  });
});

function arrow({ from, to }: Import): string {
  return `${from} imports ${to}`;
}
