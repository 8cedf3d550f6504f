/** What haproxy.cfg is made of, its defaults, and what of it is refused. Pure. */
import { isIP } from "node:net";
import { dirname, join } from "node:path";

/** What haproxy.cfg is made of, apart from the backends. The same text on every control-plane node. */
export interface HaproxySpec {
  /**
   * Addresses that the LB port and the health port are bound to: IP addresses without brackets, or `${NAME}`, which HAProxy
   * takes from its environment (`${HOST_IP}`). Never a wildcard: beside the forward only a specific address wins.
   */
  readonly listen: readonly string[];
  /** LB port. */
  readonly port: number;
  /** Port of `/healthz`, `/metrics` and, where there is an updater, `/updater/...`. */
  readonly healthPort: number;
  /** Whether this HAProxy answers the question of PRE_STOP_HANDOVER: where a forward understands it. @default false */
  readonly preStopHandover?: boolean;
  /** CIDRs that may connect (the host's own addresses always may). Empty: everybody. */
  readonly allow: readonly string[];
  /** The cluster's CA certificate: HAProxy does not start without it. */
  readonly caFile: string;
  /** Unix socket of the runtime API (level admin). */
  readonly adminSocket: string;
  /**
   * Unix socket where the updater serves `/metrics` and `/status`. Absent: there is no updater, so nothing leads to it, and servers are
   * named after their backends instead of their slots.
   */
  readonly updaterSocket?: string;
  /** Server-state file: health survives a reload or a restart of HAProxy, and servers are not "up" before their first check. */
  readonly stateFile: string;
  /**
   * Connections to the LB port at once; further ones wait in the kernel. Each needs two file descriptors, FD_RESERVE more are for
   * HAProxy itself. Where the limit of open files is lower, HAProxy starts all the same and takes fewer.
   */
  readonly maxConnections: number;
  readonly timeouts: HaproxyTimeouts;
  readonly checks: HaproxyChecks;
}

/** All in milliseconds. */
export interface HaproxyTimeouts {
  /** A new connection must say something within this time: one that never begins its TLS would hold its place for ever. */
  readonly helloMs: number;
  /** One attempt to connect to a server. */
  readonly connectMs: number;
  /** Silence on a connection, both sides. Long: watches and `logs -f` are silent for hours; TCP keepalive finds dead peers. */
  readonly idleMs: number;
  /** One health check, from the established connection to the whole answer. */
  readonly checkMs: number;
  /** Waiting for a free place on a server. */
  readonly queueMs: number;
  /** After a soft stop or a reload the old process ends its last connections after this. Below the pod's grace period. */
  readonly hardStopAfterMs: number;
}

/** Health checks of the servers. */
export interface HaproxyChecks {
  /**
   * `anonymous`: as kubeadm's API servers allow it. `token`: with the updater's own token, for API servers with
   * anonymous-auth=false, which answer 401 to all others, ready or not.
   */
  readonly authentication: "anonymous" | "token";
  readonly intervalMs: number;
  /** Interval while a server is changing its state. */
  readonly fastIntervalMs: number;
  /** Good checks until a server is taken up. */
  readonly rise: number;
  /** Bad checks until it is taken out. */
  readonly fall: number;
  /** A server that came up reaches its whole share over this time. */
  readonly slowStartMs: number;
}

/** Defaults of everything that is not a path, a port or an address. */
export const HAPROXY_DEFAULTS: Pick<HaproxySpec, "maxConnections" | "timeouts" | "checks"> = {
  maxConnections: 4000,
  timeouts: {
    helloMs: 10_000,
    connectMs: 700,
    idleMs: 24 * 3600 * 1000,
    checkMs: 700,
    queueMs: 2000,
    hardStopAfterMs: 40_000,
  },
  checks: {
    authentication: "anonymous",
    intervalMs: 1000,
    fastIntervalMs: 200,
    rise: 2,
    fall: 2,
    slowStartMs: 20_000,
  },
};

/** Open files of HAProxy beside two for each connection: listeners, checks (256 backends in two pools), the health port. */
const FD_RESERVE = 1000;

/** Connections to the health port at once. They have places of their own: a flood of the LB port must not fail the liveness probe. */
export const HEALTH_CONNECTIONS = 50;

/** Open files that HAProxy needs for so many connections to the LB port. */
export function openFiles(maxConnections: number): number {
  return 2 * (maxConnections + HEALTH_CONNECTIONS) + FD_RESERVE;
}

/** File with the token of the checks, beside the state file: a map of HAProxy's with one key, which the runtime API can change. */
export function checkTokenFile(spec: Pick<HaproxySpec, "stateFile">): string {
  return join(dirname(spec.stateFile), "check-token.map");
}

/** The key in that file. */
export const CHECK_TOKEN_KEY = "token";

/** HAProxy does not start without the file: this stands there until there is a token. */
export const NO_CHECK_TOKEN = "none";

/** `${NAME}` and nothing else. */
export const VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** Text that goes into the file as it is: a path, without anything that HAProxy's parser would take apart. */
const PATH = /^\/[A-Za-z0-9._/@+-]+$/;

/** @throws Error that names the field, the value and what is expected. */
export function checkSpec(spec: HaproxySpec): void {
  const fail = (field: string, got: unknown, expected: string): never => {
    throw new Error(`haproxy.${field}: got ${JSON.stringify(got)}, expected ${expected}`);
  };
  if (spec.listen.length === 0) fail("listen", spec.listen, "at least one address");
  for (const address of spec.listen) {
    if (VARIABLE.test(address)) continue;
    if (isIP(address) === 0) fail("listen", address, "an IP address or ${NAME}");
    if (/^[0.:]+$/.test(address)) fail("listen", address, "a specific address, not the wildcard");
  }
  for (const cidr of spec.allow) {
    if (!/^[0-9a-fA-F.:]+(\/[0-9]{1,3})?$/.test(cidr))
      fail("allow", cidr, "a CIDR such as 10.0.0.0/8");
  }
  for (const field of ["caFile", "adminSocket", "updaterSocket", "stateFile"] as const) {
    const path = spec[field];
    if (path !== undefined && !PATH.test(path))
      fail(field, path, "an absolute path of letters, digits and . _ / @ + -");
  }
  for (const field of ["port", "healthPort"] as const) {
    const port = spec[field];
    if (!Number.isInteger(port) || port < 1 || port > 65535) fail(field, port, "1-65535");
  }
  const { authentication, ...checks } = spec.checks;
  if (!["anonymous", "token"].includes(authentication)) {
    fail("checks.authentication", authentication, "anonymous or token");
  }
  const numbers = { maxConnections: spec.maxConnections, ...spec.timeouts, ...checks };
  for (const [field, value] of Object.entries(numbers)) {
    if (!Number.isInteger(value) || value < 1) fail(field, value, "a whole number above 0");
  }
}

/** Name in every API server's certificate: HAProxy and the updater verify it. */
export const API_SERVER_NAME = "kubernetes";
