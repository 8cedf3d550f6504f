import { waitUntil } from "../../../tools/src/index";

/** `waitUntil` with this suite's deadline, which is for slow machines. */
export function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 60_000,
): Promise<T> {
  return waitUntil(what, { seconds: deadlineMs / 1000, everyMs: 50, retryErrors: false }, probe);
}
