/** The backends of haproxy.cfg, with their checks. Pure. */
import type { Backend } from "./model";
import { renderFallbackLines, renderServerLines } from "./server-lines";
import { backendServerName } from "./server-name";
import { API_SERVER_NAME, CHECK_TOKEN_KEY, checkTokenFile, type HaproxySpec } from "./spec";

/**
 * HAProxy's backends over the same slots. Connections go to `ready`; `alive` only checks, and the
 * fallback servers of `ready` track it. `reachable` gets connections while `ready` has neither.
 */
export const POOLS = ["ready", "alive", "reachable"] as const;
export type Pool = (typeof POOLS)[number];

/** The pools whose checks ask by HTTP, verified against the cluster's CA. */
type CheckedPool = Exclude<Pool, "reachable">;

const CHECKS: Record<CheckedPool, { comment: string; path: string; expect: string }> = {
  ready: {
    comment: "API servers that are ready; while there is none, those that are alive.",
    path: "/readyz",
    expect: "status 200",
  },
  alive: {
    comment:
      "API servers that give any HTTP response. Only checks: the fallback servers above track them.",
    path: "/livez/ping",
    expect: "rstatus ^[1-5][0-9][0-9]$",
  },
};

/** The backend of a pool. */
export function renderPool(
  pool: Pool,
  spec: HaproxySpec,
  slots: readonly (Backend | undefined)[],
): string[] {
  const nameOf = spec.updaterSocket === undefined ? backendServerName : undefined;
  if (pool === "reachable") return renderReachable(renderServerLines(slots, nameOf));
  const check = CHECKS[pool];
  return [
    `# ${check.comment}`,
    `backend ${pool}`,
    "  log global",
    "  option httpchk",
    `  http-check send meth GET uri ${check.path} ver HTTP/1.1 hdr Host ${API_SERVER_NAME} hdr User-Agent control-plane-lb${authorization(pool, spec)}`,
    `  http-check expect ${check.expect}`,
    `  default-server check check-ssl verify required ca-file ${spec.caFile} verifyhost ${API_SERVER_NAME} check-sni ${API_SERVER_NAME} ${OBSERVE}`,
    ...renderServerLines(slots, nameOf),
    ...(pool === "ready" ? ["  option allbackups", ...renderFallbackLines(slots, nameOf)] : []),
  ];
}

/**
 * The last resort while every check fails: the checks may be wrong (another CA, a wrong clock), and
 * clients verify for themselves.
 */
function renderReachable(servers: readonly string[]): string[] {
  return [
    "# API servers that accept connections: they get them while no server passes a check above.",
    "backend reachable",
    "  log global",
    `  default-server check ${OBSERVE}`,
    ...servers,
  ];
}

/**
 * A restarted API server opens its port before it serves, and may do so before the checks have
 * noticed that the previous process ended.
 */
const OBSERVE = "observe layer4 error-limit 3 on-error mark-down";

/** The token is in another file. Without a valid one the response is 401: alive, not ready. */
function authorization(pool: CheckedPool, spec: HaproxySpec): string {
  if (pool === "alive" || spec.checks.authentication === "anonymous") return "";
  const token = `str(${CHECK_TOKEN_KEY}),map(${checkTokenFile(spec)})`;
  return ` hdr Authorization "Bearer %[${token}]"`;
}
