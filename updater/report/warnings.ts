/** What is seen in HAProxy and does not go away by itself: said once when it begins, as log line and Event. */
import { HEALTH_CONNECTIONS, type HaproxySpec } from "../../haproxy/spec";
import type { Snapshot } from "../../haproxy/runtime";
import type { Log } from "./log";

/** What the warnings work with. */
export interface WarningParts {
  readonly haproxy: HaproxySpec;
  readonly log: Log;
  readonly onProblem: (reason: string, message: string) => void;
}

/** Looks at each snapshot. */
export class Warnings {
  readonly #parts: WarningParts;
  readonly #now = new Set<string>();

  constructor(parts: WarningParts) {
    this.#parts = parts;
  }

  look(snapshot: Snapshot): void {
    const { haproxy } = this.#parts;
    const hint =
      haproxy.checks.authentication === "anonymous"
        ? "with anonymous-auth=false set haproxy.checks.authentication to token"
        : "the updater's token is not accepted";
    this.#tell(
      "ChecksUnauthorized",
      isUnauthorized(snapshot)
        ? `an API server answers 401 or 403 to /readyz: it counts as alive, not as ready; ${hint}`
        : undefined,
    );
    const allowed = allowedConnections(haproxy, snapshot);
    this.#tell(
      "FewOpenFiles",
      allowed === undefined
        ? undefined
        : `HAProxy's limit of open files allows ${allowed} of haproxy.maxConnections ${haproxy.maxConnections}; raise the limit ` +
            "(LimitNOFILE of the container runtime or unit), or lower maxConnections",
    );
  }

  #tell(reason: string, message: string | undefined): void {
    if (message === undefined) {
      this.#now.delete(reason);
    } else if (!this.#now.has(reason)) {
      this.#now.add(reason);
      this.#parts.log.warn(message, { reason });
      this.#parts.onProblem(reason, message);
    }
  }
}

/** Whether a server refuses our credentials, or the lack of them, where it should say whether it is ready. */
export function isUnauthorized({ stats }: Snapshot): boolean {
  return stats.some(
    ({ pool, checkCode, checkStatus }) =>
      pool === "ready" && checkStatus === "L7STS" && (checkCode === 401 || checkCode === 403),
  );
}

/** How many connections the LB port may have so that the health port keeps its places; undefined: as many as configured. */
export function allowedConnections(
  { maxConnections }: Pick<HaproxySpec, "maxConnections">,
  snapshot: Snapshot,
): number | undefined {
  const allowed = Math.max(1, snapshot.maxConnections - HEALTH_CONNECTIONS);
  return allowed < maxConnections ? allowed : undefined;
}
