import { HEALTH_ADDRESS, UPDATER_USER } from "../../names";
import { tokenFingerprint } from "../../updater/sources/token";
import type { HostFile } from "../files";
import type { HostPart } from "../part";
import { servicePaths, type ServicePaths } from "./haproxy-paths";
import { TOKEN_VARIABLE, type TokenDelivery } from "./host-updater-settings";

/** Settings of `tokenPart`. */
export interface TokenSettings {
  /** SECRET. A ServiceAccount's token (a JWT). */
  readonly token: string;
  readonly delivery: TokenDelivery;
  /** The health port also serves the updater's status. */
  readonly ports: { readonly lb: number; readonly health: number };
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
export function tokenPart({ token, delivery, ports }: TokenSettings): HostPart {
  const paths = servicePaths(ports.lb);
  const { updaterUnit } = paths;
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    throw new Error("the token of the updater's ServiceAccount is empty or not a token");
  }
  return {
    owner: paths.part("updater-token"),
    files: [tokenFile(paths, token, delivery)],
    steps: {
      functions: `updater_status() {
  curl --silent --fail --noproxy '*' --max-time 3 http://${HEALTH_ADDRESS}:${ports.health}/updater/status
}
token_used() { updater_status | grep -q '"token":"${tokenFingerprint(token)}"'; }`,
      afterStart: [
        // a process reads its environment only when it starts; the updater rereads a file
        ...(delivery === "environment"
          ? [`wait_for 1 token_used || systemctl restart ${updaterUnit}`]
          : []),
        `if ! wait_for ${DEADLINE_SECONDS} token_used; then
  unit_log ${updaterUnit}
  fail "the updater has not synced with its token within ${DEADLINE_SECONDS} s: its last log lines are above; status: $(updater_status || echo "no answer on port ${ports.health}")"
fi`,
      ].join("\n"),
    },
    summary: "the updater syncs with its token",
  };
}

function tokenFile(paths: ServicePaths, token: string, delivery: TokenDelivery): HostFile {
  return delivery === "environment"
    ? { path: paths.tokenEnvFile, mode: "0600", content: `${TOKEN_VARIABLE}=${token}\n` }
    : { path: paths.tokenFile, mode: "0640", group: UPDATER_USER, content: `${token}\n` };
}
