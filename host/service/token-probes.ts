import { HEALTH_ADDRESS } from "../../names";
import type { Sh } from "../part";

/** Sh function; `updater_status` prints the updater's status, which the health port serves. */
export function updaterStatus(healthPort: number): Sh {
  return `updater_status() {
  curl --silent --fail --noproxy '*' --max-time 3 http://${HEALTH_ADDRESS}:${healthPort}/updater/status
}`;
}

/** Sh function (after `updaterStatus`); `token_used`: has the updater synced with this token? */
export function tokenUsed(fingerprint: string): Sh {
  return `token_used() { updater_status | grep -q "\\"token\\":\\"${fingerprint}\\""; }`;
}

/**
 * Sh (after `token_used`): fails when the updater has not synced with its token in time.
 * @param unit whose log tells why, beside the updater's
 */
export function awaitSync(seconds: number, unit: string, healthPort: number): Sh {
  return `if ! wait_for ${seconds} token_used; then
  unit_log ${unit}
  fail "the updater has not synced with its token within ${seconds} s: its last log lines are above; status: $(updater_status || echo "no answer on port ${healthPort}")"
fi`;
}
