import { waitUntil } from "../../../../tools/src/index";

/** `waitUntil` with a deadline for slow machines. */
export async function until(what: string, condition: () => boolean | Promise<boolean>) {
  await waitUntil(what, { seconds: 100, everyMs: 20, retryErrors: false }, condition);
}
