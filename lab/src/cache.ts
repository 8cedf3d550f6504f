import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock";
import type { Log } from "./log";
import { cacheDir } from "./paths";
import { run, waitFor } from "./process";

/** Where the result of a build is, or will be. */
export function cachedPath(name: string, key: string): string {
  return join(cacheDir(), `${name}-${key}`);
}

/**
 * The folder `NAME-KEY` of the cache, built if it is not there. A build works in a temporary folder that gets its name at
 * the end: one that was cut off leaves nothing half. Builds of the same name run one at a time, also across processes.
 * @param build fills the folder it is given
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

/** Folders of builds that were cut off: nobody else is at work on them, we hold the lock. */
async function removeUnfinished(name: string): Promise<void> {
  for (const entry of readdirSync(cacheDir())) {
    if (entry.startsWith(`${name}.unfinished-`)) await removeTree(join(cacheDir(), entry));
  }
}

/**
 * Removes a folder, but never what another file system has mounted in it. Tries again where a command that outlived its
 * killed parent for a moment still writes to it.
 */
export async function removeTree(folder: string): Promise<void> {
  const remove = () => run(["rm", "-rf", "--one-file-system", "--", folder], { check: false });
  let last = "";
  await waitFor(
    `the removal of ${folder}`,
    30_000,
    async () => {
      if (!existsSync(folder)) return true;
      last = (await remove()).stderr;
      return existsSync(folder) ? undefined : true;
    },
    () => last,
  );
}
