/** What haproxy.cfg is made of, its defaults, and what of it is refused. Pure. */
import { isIP } from "node:net";

/** What haproxy.cfg is made of, apart from the backends. The same text on every master. */
export interface HaproxySpec {
  /**
   * Addresses that the LB port and the health port are bound to: IP addresses without brackets, or `${NAME}`, which HAProxy
   * takes from its environment (`${HOST_IP}`). Never a wildcard: beside the forward only a specific address wins.
   */
  readonly listen: readonly string[];
  /** LB port. */
  readonly port: number;
  /** Port of `/healthz`, `/metrics` and `/updater/...`. */
  readonly healthPort: number;
  /** CIDRs that may connect (the host's own addresses always may). Empty: everybody. */
  readonly allow: readonly string[];
  /** The cluster's CA certificate: HAProxy does not start without it. */
  readonly caFile: string;
  /** Unix socket of the runtime API (level admin). */
  readonly adminSocket: string;
  /** Unix socket where the updater serves `/metrics` and `/status`. */
  readonly updaterSocket: string;
  /** Server-state file: health survives a reload or a restart of HAProxy, and servers are not "up" before their first check. */
  readonly stateFile: string;
  /** Connections at once (`maxconn`). Each needs two file descriptors: keep 2x + 200 below the limit of open files. */
  readonly maxConnections: number;
  readonly timeouts: HaproxyTimeouts;
  readonly checks: HaproxyChecks;
}

/** All in milliseconds. */
export interface HaproxyTimeouts {
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
  readonly intervalMs: number;
  /** Interval while a server is changing its state or its connections fail. */
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
    connectMs: 700,
    idleMs: 24 * 3600 * 1000,
    checkMs: 700,
    queueMs: 2000,
    hardStopAfterMs: 40_000,
  },
  checks: { intervalMs: 1000, fastIntervalMs: 200, rise: 2, fall: 2, slowStartMs: 20_000 },
};

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
    if (!PATH.test(spec[field]))
      fail(field, spec[field], "an absolute path of letters, digits and . _ / @ + -");
  }
  for (const field of ["port", "healthPort"] as const) {
    const port = spec[field];
    if (!Number.isInteger(port) || port < 1 || port > 65535) fail(field, port, "1-65535");
  }
  const numbers = { maxConnections: spec.maxConnections, ...spec.timeouts, ...spec.checks };
  for (const [field, value] of Object.entries(numbers)) {
    if (!Number.isInteger(value) || value < 1) fail(field, value, "a whole number above 0");
  }
}
