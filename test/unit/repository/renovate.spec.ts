import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(__dirname, "../../..");

interface Manager {
  readonly description: string;
  readonly managerFilePatterns: readonly string[];
  readonly matchStrings: readonly string[];
}

describe("Renovate's regex managers", () => {
  const { customManagers } = JSON.parse(readFileSync(path.join(ROOT, "renovate.json"), "utf8")) as {
    customManagers: readonly Manager[];
  };
  const files = filesIn(ROOT);

  for (const { description, managerFilePatterns, matchStrings } of customManagers) {
    describe(description, () => {
      for (const pattern of managerFilePatterns) {
        it(`finds a version in ${pattern}`, () => {
          const matching = files.filter((file) => new RegExp(pattern.slice(1, -1)).test(file));
          const versions = matching.flatMap((file) => versionsIn(file, matchStrings));
          assert.notDeepEqual(versions, []);
        });
      }
    });
  }

  function versionsIn(file: string, matchStrings: readonly string[]): string[] {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    return matchStrings.flatMap((expression) =>
      [...text.matchAll(new RegExp(expression, "g"))].map(
        (found) => found.groups!["currentValue"]!,
      ),
    );
  }
});

/** Paths of the project's own files, relative to its root. */
function filesIn(root: string, folder = ""): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (!entry.isDirectory()) return [file];
    return ["node_modules", "reports", ".git"].includes(entry.name) ? [] : filesIn(root, file);
  });
}
