import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a condition; slow machines have 100 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>) {
  for (const end = Date.now() + 100_000; ; await sleep(20)) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}
