import { HEALTH_ADDRESS, UPDATER_UNIT, UPDATER_USER } from "../../names";
import { tokenFingerprint } from "../../updater/sources/token";
import type { HostFile } from "../files";
import type { HostPart } from "../part";
import {
  TOKEN_ENV_FILE,
  TOKEN_FILE,
  TOKEN_VARIABLE,
  type TokenDelivery,
} from "./host-updater-settings";

/** Settings of `tokenPart`. */
export interface TokenSettings {
  /** SECRET. A ServiceAccount's token (a JWT). */
  readonly token: string;
  readonly delivery: TokenDelivery;
  /** HAProxy's health port, which also serves the updater's status. */
  readonly healthPort: number;
}

/**
 * Seconds until the updater must have synced with the token: it tries each API server, and some may
 * be down.
 */
const DEADLINE_SECONDS = 120;

/**
 * The updater's token, a SECRET; the same on all hosts. Only root can read it, or root and the
 * updater. apply waits until the updater has synced with this token: only then may the former token
 * be deleted.
 *
 * @throws Error when the text is not a token; the error does not show it
 */
export function tokenPart({ token, delivery, healthPort }: TokenSettings): HostPart {
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    throw new Error("the token of the updater's ServiceAccount is empty or not a token");
  }
  return {
    owner: "updater-token",
    files: [tokenFile(token, delivery)],
    steps: {
      functions: `updater_status() {
  curl --silent --fail --noproxy '*' --max-time 3 http://${HEALTH_ADDRESS}:${healthPort}/updater/status
}
token_used() { updater_status | grep -q '"token":"${tokenFingerprint(token)}"'; }`,
      afterStart: [
        // a process reads its environment only when it starts; the updater rereads a file
        ...(delivery === "environment"
          ? [`wait_for 1 token_used || systemctl restart ${UPDATER_UNIT}`]
          : []),
        `if ! wait_for ${DEADLINE_SECONDS} token_used; then
  unit_log ${UPDATER_UNIT}
  fail "the updater has not synced with its token within ${DEADLINE_SECONDS} s: its last log lines are above; status: $(updater_status || echo "no answer on port ${healthPort}")"
fi`,
      ].join("\n"),
    },
    summary: "the updater syncs with its token",
  };
}

function tokenFile(token: string, delivery: TokenDelivery): HostFile {
  return delivery === "environment"
    ? { path: TOKEN_ENV_FILE, mode: "0600", content: `${TOKEN_VARIABLE}=${token}\n` }
    : { path: TOKEN_FILE, mode: "0640", group: UPDATER_USER, content: `${token}\n` };
}
