import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(__dirname, "../../..");

/** What each folder may import of e2e/, and of nothing else there. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "e2e/load": [],
  "e2e/scenario": ["load"],
  "e2e/user-data": ["scenario"],
  "e2e/cluster-api": ["load", "scenario"],
  "e2e/demo": ["load", "scenario", "user-data", "cluster-api"],
  "e2e/bench": ["load", "scenario"],
  "e2e/handover": ["scenario"],
  "e2e/strangers": ["load", "scenario"],
  "e2e/sequences": ["bench", "load", "scenario"],
  "test/lab": ["load", "scenario", "user-data", "cluster-api", "demo"],
};

/** Folders of e2e/ that the files of a folder import, without the folder itself. */
function importedFolders(folder: string): string[] {
  const files = globSync(`${folder}/**/*.ts`, { cwd: ROOT });
  assert.ok(files.length > 0, `${folder} is empty`);
  const targets = files.flatMap((file) => {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    return [...text.matchAll(/from "(\.[^"]*)"/g)].map(([, target = ""]) =>
      path.join(path.dirname(file), target),
    );
  });
  const folders = targets
    .filter((target) => target.startsWith("e2e/") && !target.startsWith(`${folder}/`))
    .map((target) => target.split("/")[1]!);
  return [...new Set(folders)].sort();
}

describe("imports between the folders of e2e/", () => {
  for (const [folder, allowed] of Object.entries(ALLOWED)) {
    it(`go from ${folder} to ${allowed.join(" and ") || "no other folder"}`, () => {
      const foreign = importedFolders(folder).filter((name) => !allowed.includes(name));
      assert.deepEqual(foreign, []);
    });
  }
});
