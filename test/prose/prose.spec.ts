import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";

const TEXTS = "**/*.{md,mjs,sh,ts,yaml,yml}";
const DOCS = ["*.md", "docs/**/*.md", "lab/*.md", ".github/*.md"];

/** Findings of textlint, one per line as `FILE:LINE:COLUMN: FOUND => BETTER`; "" when there are none. */
function textlint(config: string, patterns: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      "node_modules/textlint/bin/textlint.js",
      ...["--config", config, "--format", "unix", "--no-color"],
      ...patterns,
    ],
    { encoding: "utf8", maxBuffer: 1e8 },
  );
  assert.ok(status === 0 || stdout !== "", `textlint ended with ${status}: ${stderr}`);
  return stdout.replaceAll(`${process.cwd()}/`, "");
}

/** Anchors that GitHub gives to the headings of a Markdown text. */
function anchors(text: string): Set<string> {
  const headings = withoutCode(text).match(/^#+ .*$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Files of CONTRIBUTING that do not exist, and functions that are not in the file it names. */
function lostPlaces(text: string): string[] {
  const files = [...text.matchAll(/`([a-z][\w./-]*\/[\w.-]+\.ts)`/g)].map(([, file = ""]) => file);
  const places = [...text.matchAll(/`(\w+)` in\s`([\w./-]+\.ts)`/g)];
  return [
    ...files.filter((file) => !existsSync(file)),
    ...places
      .filter(([, name = "", file = ""]) => !readIfExists(file).includes(name))
      .map(([place]) => place),
  ];
}

const readIfExists = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");

const withoutCode = (text: string) => text.replace(/^```.*?^```/gms, "");

/** Links of a page to files or headings that do not exist. */
function brokenLinks(page: string): string[] {
  const links = withoutCode(readFileSync(page, "utf8")).matchAll(/\]\(([^)]+)\)/g);
  return [...links].flatMap(([, link = ""]) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? page : path.join(path.dirname(page), file);
    if (!existsSync(target)) return [`${page}: ${link}: no such file`];
    if (anchor === undefined || anchors(readFileSync(target, "utf8")).has(anchor)) return [];
    return [`${page}: ${link}: no such heading`];
  });
}

describe("prose", () => {
  it("uses the words of prose/words.yaml in code, comments and docs", () => {
    assert.equal(textlint("prose/words.json", [TEXTS, ".github/**/*.{md,yaml,yml}"]), "");
  });

  it("has no sentence of more than 160 characters in README and docs", () => {
    assert.equal(textlint("prose/sentences.json", DOCS), "");
  });

  it("names in CONTRIBUTING only files and functions that exist", () => {
    assert.deepEqual(lostPlaces(readFileSync("CONTRIBUTING.md", "utf8")), []);
  });

  it("links only to files and headings that exist", () => {
    assert.deepEqual(
      globSync(DOCS).flatMap((page) => brokenLinks(page)),
      [],
    );
  });
});
