import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock";
import type { Log } from "./log";
import { cacheDir } from "./paths";
import { run } from "./process";
import { waitUntil } from "./wait";

/** Folder of a build result, whether it exists or not. */
export function cachedPath(name: string, key: string): string {
  return join(cacheDir(), `${name}-${key}`);
}

/**
 * Returns the folder `NAME-KEY` of the cache and builds it if it is missing.
 *
 * A build fills a temporary folder, which is renamed at the end: an interrupted build leaves no
 * result. Builds of the same name run one at a time, also across processes.
 *
 * @param build fills the given folder
 */
export async function cached(
  name: string,
  key: string,
  log: Log,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const target = cachedPath(name, key);
  if (existsSync(target)) return target;
  return withLock(join(cacheDir(), `${name}.lock`), log, name, async () => {
    if (existsSync(target)) return target;
    await removeUnfinished(name);
    const work = join(cacheDir(), `${name}.unfinished-${process.pid}`);
    mkdirSync(work, { recursive: true });
    try {
      await build(work);
      renameSync(work, target);
    } finally {
      await removeTree(work);
    }
    return target;
  });
}

/** Removes the folders of interrupted builds. The caller holds the lock, so no build is running. */
async function removeUnfinished(name: string): Promise<void> {
  for (const entry of readdirSync(cacheDir())) {
    if (entry.startsWith(`${name}.unfinished-`)) await removeTree(join(cacheDir(), entry));
  }
}

/**
 * Removes a folder, but nothing that another file system has mounted in it. Retries for 30 s: a
 * command that briefly outlives its killed parent may still write there.
 */
export async function removeTree(folder: string): Promise<void> {
  const remove = () => run(["rm", "-rf", "--one-file-system", "--", folder], { check: false });
  let last = "";
  await waitUntil(
    `removing ${folder}`,
    { seconds: 30, everyMs: 200, lastSeen: () => last },
    async () => {
      if (existsSync(folder)) last = (await remove()).stderr;
      return !existsSync(folder);
    },
  );
}
