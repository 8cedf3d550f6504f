import { waitUntil } from "../../../tools/src/index";

export { setTimeout as sleep } from "node:timers/promises";

/** `waitUntil` with this suite's deadline, which is for slow machines. */
export function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 40_000,
): Promise<T> {
  return waitUntil(what, { seconds: deadlineMs / 1000, everyMs: 25 }, condition);
}
