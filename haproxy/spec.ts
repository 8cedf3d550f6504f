/** The settings of haproxy.cfg, their defaults and validation. Pure. */
import { isIP } from "node:net";
import { dirname, join } from "node:path";

/** The settings of haproxy.cfg, apart from the backends; the same on all nodes. */
export interface HaproxySpec {
  /**
   * Addresses of the LB port and the health port: IP addresses without brackets, or `${NAME}`,
   * which HAProxy reads from its environment (`${HOST_IP}`). Never a wildcard: only a specific
   * address takes precedence over the forward.
   */
  readonly listen: readonly string[];
  /**
   * Further addresses of the LB port, without brackets. Other software puts them on one host or the
   * other, so HAProxy binds them with `transparent`, whether the host has them or not. @default none
   */
  readonly virtualAddresses?: readonly string[];
  /** LB port. */
  readonly port: number;
  /**
   * Port of `/healthz`, `/metrics` and, where there is an updater, `/updater/...`. Probes use it on
   * HEALTH_ADDRESS, everybody else on the addresses of `listen`.
   */
  readonly healthPort: number;
  /** CIDRs that may connect, beside the host itself. Empty: all. */
  readonly allow: readonly string[];
  /** The cluster's CA certificate: HAProxy does not start without it. */
  readonly caFile: string;
  /**
   * Of that file's content (`fingerprintCa`): HAProxy's description shows which one it has loaded.
   * @default the description has none
   */
  readonly caFingerprint?: string;
  /** Unix socket of the runtime API (level admin). */
  readonly adminSocket: string;
  /**
   * Unix socket where the updater serves `/metrics` and `/status`. Absent: there is no updater, and
   * servers are named after their backends instead of their slots.
   */
  readonly updaterSocket?: string;
  /**
   * Server-state file: keeps health over reloads and restarts, and servers down before their first
   * check.
   */
  readonly stateFile: string;
  /**
   * Limit of connections to the LB port; further ones wait in the kernel. Each needs two file
   * descriptors, and HAProxy itself FD_RESERVE. With a lower limit of open files HAProxy takes
   * fewer.
   */
  readonly maxConnections: number;
  /**
   * Limit of connections to the LB port from one address; further ones are closed at once. It does
   * not count for the host itself, nor for the API servers' hosts that the file names.
   */
  readonly maxConnectionsPerSource: number;
  readonly timeouts: HaproxyTimeouts;
  readonly checks: HaproxyChecks;
}

/** All in milliseconds. */
export interface HaproxyTimeouts {
  /**
   * A client must send its first byte within this: a silent one would hold its connection for ever.
   */
  readonly helloMs: number;
  /** One attempt to connect to a server. */
  readonly connectMs: number;
  /**
   * Idle connections, both sides. Watches and `logs -f` are idle for hours; keepalive finds dead
   * peers.
   */
  readonly idleMs: number;
  /** One health check, from the established connection to the whole response. */
  readonly checkMs: number;
  /** Time in a server's queue. */
  readonly queueMs: number;
  /**
   * A stopping process closes its last connections after this. Less than the pod's grace period.
   */
  readonly hardStopAfterMs: number;
}

/** Health checks of the servers. */
export interface HaproxyChecks {
  /**
   * `anonymous`: as kubeadm's API servers allow it. `token`: with the updater's token, for API
   * servers with anonymous-auth=false, which answer 401 to anonymous requests.
   */
  readonly authentication: "anonymous" | "token";
  readonly intervalMs: number;
  /** Interval during a transition between up and down. */
  readonly fastIntervalMs: number;
  /** Passed checks until a server is up. */
  readonly rise: number;
  /** Failed checks until a server is down. */
  readonly fall: number;
  /** A server's share of connections grows to the whole over this time after it came up. */
  readonly slowStartMs: number;
}

/** Open files beside two for each connection: listeners, checks (256 backends, three pools). */
const FD_RESERVE = 1000;

/**
 * Connections of the host itself to the health port, its probes among them: a flood of any other
 * listener must not fail a probe.
 */
export const HEALTH_CONNECTIONS = 50;

/** Connections of all others to the health port, and those of one address. */
export const STATUS_CONNECTIONS = 50;
export const STATUS_CONNECTIONS_PER_SOURCE = 10;

/** Connections that HAProxy keeps for the health port. */
export const RESERVED_CONNECTIONS = HEALTH_CONNECTIONS + STATUS_CONNECTIONS;

/** Open files that HAProxy needs for this limit of the LB port. */
export function openFiles(maxConnections: number): number {
  return 2 * (maxConnections + RESERVED_CONNECTIONS) + FD_RESERVE;
}

/** File with the token of the checks: a map with one key, which the runtime API can change. */
export function checkTokenFile(spec: Pick<HaproxySpec, "stateFile">): string {
  return join(dirname(spec.stateFile), "check-token.map");
}

/** The key in that file. */
export const CHECK_TOKEN_KEY = "token";

/** Value until there is a token: HAProxy does not start without the file. */
export const NO_CHECK_TOKEN = "none";

/** A name in every API server's certificate: checks and the updater verify it. */
export const API_SERVER_NAME = "kubernetes";

/** `${NAME}` and nothing else. */
export const VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** A path without characters that HAProxy's parser treats specially. */
const PATH = /^\/[A-Za-z0-9._/@+-]+$/;

/** @throws Error that names the field, its value and the expected one */
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
  for (const address of spec.virtualAddresses ?? []) {
    if (isIP(address) === 0 || /^[0.:]+$/.test(address))
      fail("virtualAddresses", address, "a specific IP address");
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
  const { maxConnections, maxConnectionsPerSource, timeouts } = spec;
  const numbers = { maxConnections, maxConnectionsPerSource, ...timeouts, ...checks };
  for (const [field, value] of Object.entries(numbers)) {
    if (!Number.isInteger(value) || value < 1) fail(field, value, "a whole number above 0");
  }
}
