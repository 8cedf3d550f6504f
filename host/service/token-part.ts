import { UPDATER_USER } from "../../names";
import { tokenFingerprint } from "../../updater/sources/token";
import type { HostFile } from "../files";
import type { HostPart, Sh } from "../part";
import { servicePaths, type ServicePaths } from "./haproxy-paths";
import { TOKEN_VARIABLE, type TokenDelivery } from "./host-updater-settings";
import { awaitSync, tokenUsed, updaterStatus } from "./token-probes";

/** Settings of `tokenPart`. */
export interface TokenSettings {
  /** SECRET. A ServiceAccount's token (a JWT), or a bootstrap token. */
  readonly token: string;
  readonly delivery: TokenDelivery;
  /** The health port also serves the updater's status. */
  readonly ports: { readonly lb: number; readonly health: number };
  /**
   * Wait until the updater has synced with the token? False where there is no cluster yet.
   * @default true
   */
  readonly awaitSync?: boolean;
}

/**
 * Seconds until the updater must have synced with the token: it tries each API server, and some may
 * be down.
 */
const DEADLINE_SECONDS = 120;

/**
 * The updater's token, a SECRET; the same on all hosts. Only root can read it, or root and the
 * updater. apply waits until the updater has synced with this token (`awaitSync`): only then may the
 * former token be deleted.
 *
 * @throws Error when the text is not a token; the error does not show it
 */
export function tokenPart(settings: TokenSettings): HostPart {
  const { token, delivery, ports, awaitSync: waits = true } = settings;
  const paths = servicePaths(ports.lb);
  const { updaterUnit } = paths;
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    throw new Error("the updater's token is empty or not a token");
  }
  const inEnvironment = delivery === "environment";
  return {
    owner: paths.part("updater-token"),
    files: [tokenFile(paths, token, delivery)],
    steps: {
      functions: [
        updaterStatus(ports.health),
        tokenUsed(tokenFingerprint(token)),
        ...(inEnvironment ? [tokenLoaded(paths)] : []),
      ].join("\n"),
      afterStart: [
        // a process reads its environment only when it starts; the updater rereads a file
        ...(inEnvironment ? [`token_loaded || systemctl restart ${updaterUnit}`] : []),
        ...(waits ? [awaitSync(DEADLINE_SECONDS, updaterUnit, ports.health)] : []),
      ].join("\n"),
    },
    summary: waits ? "the updater syncs with its token" : "the updater has its token",
  };
}

/** Sh function; `token_loaded`: has the updater's process been started with the file's token? */
function tokenLoaded({ updaterUnit, tokenEnvFile }: ServicePaths): Sh {
  return `token_loaded() {
  updater_pid=$(unit_pid ${updaterUnit})
  [ "\${updater_pid:-0}" != 0 ] && tr '\\0' '\\n' 2>/dev/null <"/proc/$updater_pid/environ" | grep -qxF -f ${tokenEnvFile}
}`;
}

function tokenFile(paths: ServicePaths, token: string, delivery: TokenDelivery): HostFile {
  return delivery === "environment"
    ? { path: paths.tokenEnvFile, mode: "0600", content: `${TOKEN_VARIABLE}=${token}\n` }
    : { path: paths.tokenFile, mode: "0640", group: UPDATER_USER, content: `${token}\n` };
}
