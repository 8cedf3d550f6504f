import { waitUntil } from "../../../../e2e/scenario/wait";

/** Waits for a condition; slow machines have 100 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>) {
  await waitUntil(what, { seconds: 100, everyMs: 20 }, async () => condition());
}
