import { setTimeout as sleep } from "node:timers/promises";

const LIMIT_MS = 90_000;

/** Waits until a condition holds. @throws with `detail` when it does not in 90 s */
export async function waitUntil(
  condition: () => boolean,
  what: string,
  detail: () => string = () => "",
): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}\n${detail()}`);
    await sleep(50);
  }
}
