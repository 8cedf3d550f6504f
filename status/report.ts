import { daysUntil, EXPIRES_SOON_DAYS } from "../host/kubeadm/kubeconfig";
import { parseServerStates, type SeenBackend } from "../haproxy/server-metrics";
import type { BackendState } from "../haproxy/model";
import type { UpdaterStatus } from "../updater/report/status-server";
import { parseVirtualIp, virtualIpProblems, type VirtualIpStatus } from "./virtual-ip";

/** Process that answers on the LB port of a host. */
export type Server = "HAProxy" | "forward" | "nothing" | "unknown";

/** Status of a load-balancer host. */
export interface HostStatus {
  readonly name: string;
  readonly address: string;
  readonly server: Server;
  /** State of the forward, which may be idle behind HAProxy. */
  readonly forward: "works" | "broken" | "absent" | "unknown";
  /** Whether the LB port gives any HTTP answer to the host itself. */
  readonly answers: boolean;
  /** HTTP status of /readyz of the host's own API server; 0 without an answer. */
  readonly apiReadyz: number;
  readonly updater?: UpdaterStatus;
  /** Where the stack has a virtual IP. */
  readonly virtualIp?: VirtualIpStatus;
  /** Backends according to HAProxy's metrics, where there is no updater. */
  readonly backends?: readonly SeenBackend[];
  /** Problems for the operator, in words. */
  readonly problems: readonly string[];
}

/** Parts that a host must have, by the topology of its stack. */
export interface Expected {
  /** HAProxy in a pod has a forward beside it; HAProxy as a service has none. */
  readonly forward: boolean;
  /** The host is a control-plane node. */
  readonly apiServer: boolean;
  /**
   * HAProxy's checks carry a token, so API servers may refuse the anonymous status request.
   *
   * @default false
   */
  readonly checksByToken?: boolean;
  /**
   * Addresses of the configured control-plane nodes. A backend that has left the EndpointSlice and
   * is none of them was removed: it is no problem.
   *
   * @default unknown
   */
  readonly nodes?: readonly string[];
}

export interface Host {
  readonly name: string;
  readonly address: string;
}

/** A sync older than this is a problem: the updater syncs at least every few minutes. */
const STALE_SECONDS = 600;

/** Draining is intended: the backend was removed. Leaving is a problem only when it lasts. */
const HEALTHY: ReadonlySet<BackendState> = new Set(["ready", "leaving", "draining"]);

/** Settings of the `statusScript` that gave the output. */
export interface Asked {
  readonly ports: { readonly lb: number; readonly health: number };
  readonly updater: boolean;
}

/** Reads the output of `statusScript`. */
export function parseAnswers(
  host: Host,
  { ports, updater: asked }: Asked,
  output: string,
  expected: Expected = { forward: true, apiServer: true },
): HostStatus {
  const lines = output.split("\n").map((line) => {
    const space = line.indexOf(" ");
    return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
  });
  const values = (key: string) => lines.filter((line) => line[0] === key).map((line) => line[1]!);
  const status = (key: string) => Number(values(key)[0] ?? 0);
  const listeners = values("listener");
  const specific = listeners.find((listener) => !/^(\*|0\.0\.0\.0|\[::\]):/.test(listener));
  const haproxy = specific?.includes('"haproxy"') === true;
  const parts = values("forward");
  const forward =
    parts.length === 0
      ? "absent"
      : parts.every((part) => part.endsWith(" works"))
        ? "works"
        : "broken";
  const answers = status("endpoint") !== 0;
  const server = haproxy ? "HAProxy" : forward !== "absent" && answers ? "forward" : "nothing";
  const updater = haproxy && asked ? parseUpdater(values("updater")[0] ?? "") : undefined;
  const backends = haproxy && !asked ? parseServerStates(values("metric").join("\n")) : undefined;
  const problems = [...values("problem")];
  if (specific !== undefined && !haproxy) {
    problems.push(`the LB port ${ports.lb} is held by another process: ${specific}`);
  }
  if (haproxy && status("health") !== 200) {
    problems.push(`HAProxy does not answer on its health port ${ports.health}`);
  }
  if (!haproxy) problems.push("HAProxy does not listen on the LB port");
  if (!answers) problems.push("nothing answers on the LB port");
  if (forward === "absent" && expected.forward) problems.push("the forward is not installed");
  if (!expected.forward && values("service").length === 0) {
    problems.push("HAProxy is not installed as a service");
  }
  for (const service of values("service").filter((each) => each.endsWith(" broken"))) {
    problems.push(`${service.split(" ")[0]} does not run: see systemctl status there`);
  }
  for (const part of parts.filter((part) => part.endsWith(" broken"))) {
    problems.push(`${part.split(" ")[0]} does not work: see systemctl status there`);
  }
  // then this answer does not show its health; the backends below do
  const refuses = [401, 403].includes(status("api")) && expected.checksByToken === true;
  if (status("api") !== 200 && !refuses && expected.apiServer) {
    const answer = status("api") === 0 ? "does not answer" : `answers ${status("api")}`;
    problems.push(`its API server ${answer} on /readyz`);
  }
  const virtualIp = parseVirtualIp(values);
  problems.push(...virtualIpProblems(virtualIp));
  if (backends !== undefined) problems.push(...backendProblems(backends));
  else if (haproxy) problems.push(...updaterProblems(updater, expected.nodes));
  return {
    ...host,
    server,
    forward,
    answers,
    apiReadyz: status("api"),
    ...(virtualIp === undefined ? {} : { virtualIp }),
    ...(updater === undefined ? {} : { updater }),
    ...(backends === undefined ? {} : { backends }),
    problems,
  };
}

/** Status of a host that could not be reached. */
export function unreachable(host: Host, reason: string): HostStatus {
  return {
    ...host,
    server: "unknown",
    forward: "unknown",
    answers: false,
    apiReadyz: 0,
    problems: [reason],
  };
}

/** What to do about a kubeconfig that expires within 60 days. */
export function kubeconfigProblems(expires: Date | undefined, now: Date): string[] {
  const days = expires === undefined ? undefined : daysUntil(expires, now);
  if (expires === undefined || days === undefined || days >= EXPIRES_SOON_DAYS) return [];
  const when = days < 0 ? "has expired" : "expires";
  return [
    `the administrator's kubeconfig ${when} on ${expires.toISOString().slice(0, 10)}: renew it in the cluster (kubeadm certs renew admin.conf, or kubeadm upgrade), then run pulumi up; with bootstrap none, set a new one`,
  ];
}

/**
 * Exit code: 0 no problem, 1 at least one, 2 no host could be reached.
 *
 * @param problems of the whole stack
 */
export function exitCode(
  hosts: readonly HostStatus[],
  problems: readonly string[] = [],
): 0 | 1 | 2 {
  if (hosts.every((host) => host.server === "unknown")) return 2;
  return problems.length === 0 && hosts.every((host) => host.problems.length === 0) ? 0 : 1;
}

function parseUpdater(text: string): UpdaterStatus | undefined {
  try {
    // an updater older than this program does not report the slice
    return { outOfSlice: [], ...(JSON.parse(text) as Omit<UpdaterStatus, "outOfSlice">) };
  } catch {
    return undefined;
  }
}

function updaterProblems(
  updater: UpdaterStatus | undefined,
  nodes: readonly string[] | undefined,
): string[] {
  if (updater === undefined) return ["the updater does not answer"];
  // while pods roll, an older updater may answer, which reports less
  const { lastSyncSeconds, waitingForToken, backends, outOfSlice } = updater;
  const { problems: reported = [] } = updater as Partial<UpdaterStatus>;
  const problems: string[] = [];
  if (waitingForToken) problems.push("the updater waits for its token");
  else if (lastSyncSeconds === null) problems.push("the updater has not reached an API server yet");
  else if (lastSyncSeconds > STALE_SECONDS) {
    problems.push(`the updater's last sync was ${Math.round(lastSyncSeconds)} s ago`);
  }
  const removed = ({ name, address }: UpdaterStatus["backends"][number]) =>
    nodes !== undefined && !nodes.includes(address) && outOfSlice.some((it) => it.name === name);
  const kept = backends.filter((backend) => !removed(backend));
  problems.push(...stateProblems(kept, outOfSlice));
  problems.push(...reported);
  return problems;
}

function backendProblems(backends: readonly SeenBackend[]): string[] {
  return backends.length === 0 ? ["HAProxy's metrics name no backend"] : stateProblems(backends);
}

function stateProblems(
  backends: readonly { readonly name: string; readonly state: BackendState }[],
  outOfSlice: UpdaterStatus["outOfSlice"] = [],
): string[] {
  return backends
    .filter(({ state }) => !HEALTHY.has(state))
    .map(({ name, state }) => {
      const left = outOfSlice.find((it) => it.name === name);
      const since =
        left === undefined ? "" : ` and left the EndpointSlice ${Math.round(left.seconds)} s ago`;
      return `backend ${name} is ${state}${since}`;
    });
}
