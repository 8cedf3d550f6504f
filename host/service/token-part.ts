import { UPDATER_UNIT, UPDATER_USER } from "../../names";
import { tokenFingerprint } from "../../updater/sources/token";
import { installFiles, removeFiles } from "../files";
import { NEED_SYSTEMD, SERVICE_FUNCTIONS } from "../services";
import { hostScript } from "../shell";
import {
  TOKEN_ENV_FILE,
  TOKEN_FILE,
  TOKEN_VARIABLE,
  type TokenDelivery,
} from "./host-updater-settings";

/** What brings a token to a host. */
export interface TokenSettings {
  /** SECRET. A ServiceAccount's token (a JWT). */
  readonly token: string;
  readonly delivery: TokenDelivery;
  /** Where the updater's status is asked: through HAProxy's health port. */
  readonly address: string;
  readonly healthPort: number;
}

const OWNER = "token";

/** Seconds until the updater must have synced with the token: a few API servers may be away, each is tried. */
const DEADLINE_SECONDS = 120;

/**
 * `hostScript` that holds a SECRET: puts the token into place, for root alone or for root and the updater, and ends when the updater has
 * synced with this very token. So a token that nobody uses any more can be deleted after it.
 *
 * @throws Error without the token when it is none
 */
export function tokenScript(
  settings: TokenSettings,
  options: { readonly generation?: number } = {},
): string {
  const { token, delivery, address, healthPort } = settings;
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    throw new Error("the token of the updater's ServiceAccount is empty or no token");
  }
  const host = address.includes(":") ? `[${address}]` : address;
  const file =
    delivery === "environment"
      ? { path: TOKEN_ENV_FILE, mode: "0600", content: `${TOKEN_VARIABLE}=${token}\n` }
      : { path: TOKEN_FILE, mode: "0640", content: `${token}\n` };
  const status = `http://${host}:${healthPort}/updater/status`;
  return hostScript(
    "updater-token",
    {
      apply: [
        NEED_SYSTEMD,
        SERVICE_FUNCTIONS,
        installFiles(OWNER, [file]),
        ...(delivery === "file" ? [`chgrp ${UPDATER_USER} ${TOKEN_FILE}`] : []),
        `updater_status() { curl --silent --fail --noproxy '*' --max-time 3 ${status}; }
token_used() { updater_status | grep -q '"token":"${tokenFingerprint(token)}"'; }`,
        // another environment is another start; a file is read again
        ...(delivery === "environment"
          ? [`wait_for 1 token_used || systemctl restart ${UPDATER_UNIT}`]
          : []),
        `if ! wait_for ${DEADLINE_SECONDS} token_used; then
  service_log ${UPDATER_UNIT}
  fail "the updater has not synced with its token within ${DEADLINE_SECONDS} s: its last messages stand above; status: $(updater_status || echo "no answer at ${status}")"
fi
say "the updater syncs with its token, changed: $changed"`,
      ].join("\n"),
      remove: [SERVICE_FUNCTIONS, removeFiles(OWNER)].join("\n"),
    },
    options,
  );
}
