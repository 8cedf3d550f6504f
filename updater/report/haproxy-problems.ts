/** Problems that a snapshot of HAProxy shows. */
import type { Snapshot } from "../../haproxy/runtime";
import { RESERVED_CONNECTIONS, type HaproxySpec } from "../../haproxy/spec";
import type { Context } from "../context";

/** Begins the problems that the snapshot shows, and ends the others. */
export function reportHaproxyProblems(
  { settings: { haproxy }, report }: Pick<Context, "settings" | "report">,
  snapshot: Snapshot,
): void {
  const hint =
    haproxy.checks.authentication === "anonymous"
      ? "with anonymous-auth=false set haproxy.checks.authentication to token"
      : "the updater's token is not accepted";
  if (isUnauthorized(snapshot)) {
    report.begin(
      "ChecksUnauthorized",
      `an API server answers 401 or 403 to /readyz: it counts as alive, not as ready; ${hint}`,
    );
  } else report.end("ChecksUnauthorized");
  const allowed = allowedConnections(haproxy, snapshot);
  if (allowed === undefined) report.end("FewOpenFiles");
  else {
    report.begin(
      "FewOpenFiles",
      `HAProxy's limit of open files allows ${allowed} of haproxy.maxConnections ` +
        `${haproxy.maxConnections}; raise the limit (LimitNOFILE of the container runtime ` +
        "or unit), or lower maxConnections",
    );
  }
}

/** Whether a server refuses the checks' credentials, or the lack of them. */
export function isUnauthorized({ stats }: Snapshot): boolean {
  return stats.some(
    ({ pool, checkCode, checkStatus }) =>
      pool === "ready" && checkStatus === "L7STS" && (checkCode === 401 || checkCode === 403),
  );
}

/**
 * Connections that the LB port may have so that the health port keeps its own;
 * undefined: as many as configured.
 */
export function allowedConnections(
  { maxConnections }: Pick<HaproxySpec, "maxConnections">,
  snapshot: Snapshot,
): number | undefined {
  const allowed = Math.max(1, snapshot.maxConnections - RESERVED_CONNECTIONS);
  return allowed < maxConnections ? allowed : undefined;
}
