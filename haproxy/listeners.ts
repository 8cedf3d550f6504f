/** The frontends of haproxy.cfg: who may connect, and how often. Pure. */
import { HEALTH_ADDRESS } from "../names";
import type { Backend } from "./model";
import { renderServerHosts } from "./server-lines";
import {
  HEALTH_CONNECTIONS,
  STATUS_CONNECTIONS,
  STATUS_CONNECTIONS_PER_SOURCE,
  type HaproxySpec,
} from "./spec";

/** The frontend of the LB port. */
export const ENDPOINT = "endpoint";

/** Lines of the LB port. */
export function renderEndpoint(
  spec: HaproxySpec,
  slots: readonly (Backend | undefined)[],
): string[] {
  const virtual = spec.virtualAddresses ?? [];
  return [
    `frontend ${ENDPOINT}`,
    ...spec.listen.map((address) => `  bind ${bindAddress(address, spec.port)}`),
    ...virtual.map((address) => `  bind ${bindAddress(address, spec.port)} transparent`),
    `  maxconn ${spec.maxConnections}`,
    ...renderOwn(spec),
    ...renderServerHosts(slots),
    ...renderAllow(spec),
    ...renderSourceLimit(spec.maxConnectionsPerSource, "!own !server"),
    "  # No server: close at once. In a stopping process, as after a reload, nbsrv is always 0: there",
    "  # the variable has the number of before.",
    "  tcp-request connection set-var(proc.ready) nbsrv(ready) if !{ stopping }",
    "  tcp-request connection reject if { nbsrv(ready) eq 0 } { nbsrv(reachable) eq 0 } !{ stopping }",
    "  # A silent client takes no server's connection.",
    `  tcp-request inspect-delay ${spec.timeouts.helloMs}ms`,
    "  tcp-request content accept if { req.len gt 0 }",
    "  tcp-request content reject",
    "  use_backend reachable if { nbsrv(ready) eq 0 } { nbsrv(reachable) gt 0 }",
    "  use_backend reachable if { stopping } { var(proc.ready) -m int 0 }",
    "  default_backend ready",
  ];
}

/** Sections of the health port: for the host itself, for all others, and the updater behind both. */
export function renderHealthPort(spec: HaproxySpec): string[][] {
  return [
    [
      "# For the host itself. Health of HAProxy, not of the servers.",
      "frontend health",
      "  mode http",
      `  bind ${bindAddress(HEALTH_ADDRESS, spec.healthPort)}`,
      `  maxconn ${HEALTH_CONNECTIONS}`,
      "  # Where net.ipv4.conf.*.route_localnet is set, neighbours reach loopback addresses.",
      "  tcp-request connection reject if !{ src 127.0.0.0/8 }",
      ...renderAnswers(spec),
    ],
    [
      "# The same for all others.",
      "frontend status",
      "  mode http",
      ...spec.listen.map((address) => `  bind ${bindAddress(address, spec.healthPort)}`),
      `  maxconn ${STATUS_CONNECTIONS}`,
      ...renderOwn(spec),
      ...renderAllow(spec),
      ...renderSourceLimit(STATUS_CONNECTIONS_PER_SOURCE, "!own"),
      ...renderAnswers(spec),
    ],
    ...renderUpdater(spec),
  ];
}

const NOT_FOUND = '  http-request return status 404 content-type text/plain string "not found"';

function renderAnswers({ updaterSocket }: HaproxySpec): string[] {
  return [
    "  timeout client 10s",
    "  timeout http-request 2s",
    "  timeout http-keep-alive 10s",
    "  http-request return status 200 content-type text/plain string ok if { path /healthz }",
    "  http-request use-service prometheus-exporter if { path /metrics }",
    ...(updaterSocket === undefined
      ? [NOT_FOUND]
      : [`${NOT_FOUND} unless { path_beg /updater/ }`, "  default_backend updater"]),
  ];
}

function renderUpdater({ updaterSocket }: HaproxySpec): string[][] {
  if (updaterSocket === undefined) return [];
  return [
    [
      "backend updater",
      "  mode http",
      "  timeout server 5s",
      "  http-request set-path %[path,regsub(^/updater,)]",
      `  server updater unix@${updaterSocket}`,
    ],
  ];
}

/** Sources on this host: its kubelet uses the endpoint, too. */
function renderOwn(spec: HaproxySpec): string[] {
  return [
    ...[...spec.listen, ...(spec.virtualAddresses ?? [])].map(
      (address) => `  acl own src ${quote(address)}`,
    ),
    "  acl own src 127.0.0.0/8 ::1",
  ];
}

/** The source allow-list. */
function renderAllow(spec: HaproxySpec): string[] {
  if (spec.allow.length === 0) return [];
  return [
    ...spec.allow.map((cidr) => `  acl allowed src ${cidr}`),
    "  tcp-request connection reject if !own !allowed",
  ];
}

/** Addresses that a frontend remembers, at about 100 bytes each; it forgets the oldest first. */
const SOURCES = 100_000;

function renderSourceLimit(connections: number, unless: string): string[] {
  return [
    "  # One address cannot take all places.",
    `  stick-table type ipv6 size ${SOURCES} expire 1m store conn_cur`,
    `  tcp-request connection track-sc0 src if ${unless}`,
    `  tcp-request connection reject if { sc0_conn_cur gt ${connections} }`,
  ];
}

/**
 * Quoted, so that HAProxy expands variables. The last colon is the port's: IPv6 needs no brackets.
 */
function bindAddress(address: string, port: number): string {
  return quote(`${address}:${port}`);
}

function quote(text: string): string {
  return `"${text}"`;
}
