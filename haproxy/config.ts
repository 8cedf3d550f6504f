/**
 * Renders haproxy.cfg, for the program and the updater alike: so the two never disagree.
 * Pure; equal input gives equal bytes.
 */
import { createHash } from "node:crypto";
import { PRE_STOP_HANDOVER } from "../names";
import type { Backend } from "./model";
import { POOLS, renderPool } from "./pools";
import { checkSpec, HEALTH_CONNECTIONS, openFiles, VARIABLE, type HaproxySpec } from "./spec";

export { POOLS, type Pool } from "./pools";
export type { HaproxyChecks, HaproxySpec, HaproxyTimeouts } from "./spec";

/**
 * Ring of HAProxy's own messages (server up, server down): the updater reads it instead of polling.
 */
export const EVENT_RING = "events";

/** The frontend of the LB port. */
export const ENDPOINT = "endpoint";

/**
 * Renders the whole haproxy.cfg. TCP passthrough: TLS is between client and API server.
 * @param slots one per server line; `undefined` is an empty slot, which can be filled without a
 *   reload
 * @throws Error that names the field, when the spec would give a wrong or dangerous file
 */
export function renderHaproxyConfig(
  spec: HaproxySpec,
  slots: readonly (Backend | undefined)[],
): string {
  checkSpec(spec);
  const sections = [
    [HEADER],
    renderEnvironmentGuard(spec),
    renderGlobal(spec),
    renderDefaults(spec),
    renderEndpoint(spec),
    ...POOLS.map((pool) => renderPool(pool, spec, slots)),
    renderHealth(spec),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/**
 * HAProxy's `description` with this spec: the running process shows which spec and which CA
 * certificates it has.
 */
export function describeSpec(spec: HaproxySpec): string {
  const name = `spec-${fingerprintSpec(spec)}`;
  return spec.caFingerprint === undefined ? name : `${name}-ca-${spec.caFingerprint}`;
}

/** Fingerprint of CA certificates as PEM text; white space does not count. */
export function fingerprintCa(pem: string): string {
  return shortHash(pem.replaceAll(/\s/g, ""));
}

/** Fingerprint of everything but the slots and the CA certificates. */
export function fingerprintSpec(spec: HaproxySpec): string {
  const text = [renderGlobal(spec, "spec-"), renderDefaults(spec), renderEndpoint(spec)]
    .concat(POOLS.map((pool) => renderPool(pool, spec, [undefined])))
    .concat([renderHealth(spec)]);
  return shortHash(JSON.stringify(text));
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Whether a rendered file has this spec, with any slots. */
export function isOfSpec(config: string, spec: HaproxySpec): boolean {
  return config.includes(`\n  description ${describeSpec(spec)}\n`);
}

const HEADER = "# Written by control-plane-lb. Changes by hand are lost.";

/**
 * An unset variable expands to nothing, and `bind ":6444"` is the wildcard: HAProxy must not start.
 */
function renderEnvironmentGuard(spec: HaproxySpec): string[] {
  return spec.listen.flatMap((address) => {
    const name = VARIABLE.exec(address)?.[1];
    if (name === undefined) return [];
    return [
      `.if streq("\${${name}}","")`,
      `.alert "${name} is not set: it is an address to listen on"`,
      ".endif",
    ];
  });
}

function renderGlobal(spec: HaproxySpec, description = describeSpec(spec)): string[] {
  return [
    `ring ${EVENT_RING}`,
    "  format raw",
    "  size 16384",
    "",
    "global",
    `  description ${description}`,
    `  log ring@${EVENT_RING} local0`,
    "  # HAProxy derives its limit of connections from this, or from a lower limit of open files.",
    `  fd-hard-limit ${openFiles(spec.maxConnections)}`,
    `  stats socket ${spec.adminSocket} mode 660 level admin expose-fd listeners`,
    "  stats timeout 1h",
    `  server-state-file ${spec.stateFile}`,
    `  hard-stop-after ${spec.timeouts.hardStopAfterMs}ms`,
  ];
}

/** A client or server that never closes its half would hold a place for the idle time, a day. */
const HALF_CLOSED_MS = 10_000;

function renderDefaults(spec: HaproxySpec): string[] {
  const { timeouts, checks } = spec;
  return [
    "defaults",
    "  mode tcp",
    `  timeout connect ${timeouts.connectMs}ms`,
    `  timeout client ${timeouts.idleMs}ms`,
    `  timeout server ${timeouts.idleMs}ms`,
    "  # One side has closed: the other has this long, instead of the idle time.",
    `  timeout client-fin ${HALF_CLOSED_MS}ms`,
    `  timeout server-fin ${HALF_CLOSED_MS}ms`,
    `  timeout queue ${timeouts.queueMs}ms`,
    `  timeout check ${timeouts.checkMs}ms`,
    "  option clitcpka",
    "  clitcpka-idle 30s",
    "  clitcpka-intvl 10s",
    "  clitcpka-cnt 3",
    "  option srvtcpka",
    "  srvtcpka-idle 30s",
    "  srvtcpka-intvl 10s",
    "  srvtcpka-cnt 3",
    "  # The less busy of two random servers. Unlike leastconn, it does not flood a server that has just",
    "  # come back, and a refused connection is tried on another server without a pause.",
    "  balance random(2)",
    "  option redispatch 1",
    "  retries 3",
    "  load-server-state-from-file global",
    `  default-server inter ${checks.intervalMs}ms fastinter ${checks.fastIntervalMs}ms rise ${checks.rise} fall ${checks.fall} slowstart ${checks.slowStartMs}ms`,
  ];
}

function renderEndpoint(spec: HaproxySpec): string[] {
  const virtual = spec.virtualAddresses ?? [];
  return [
    `frontend ${ENDPOINT}`,
    ...spec.listen.map((address) => `  bind ${bindAddress(address, spec.port)}`),
    ...virtual.map((address) => `  bind ${bindAddress(address, spec.port)} transparent`),
    `  maxconn ${spec.maxConnections}`,
    ...renderAllow(spec, "tcp-request connection reject if !own !allowed"),
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

function renderHealth(spec: HaproxySpec): string[] {
  return [
    "# Health of HAProxy itself, not of the servers.",
    "frontend health",
    "  mode http",
    ...spec.listen.map((address) => `  bind ${bindAddress(address, spec.healthPort)}`),
    ...(spec.preStopHandover === true ? renderPreStopHandover(spec) : []),
    `  maxconn ${HEALTH_CONNECTIONS}`,
    "  timeout client 10s",
    "  timeout http-request 5s",
    "  timeout http-keep-alive 10s",
    "  http-request return status 200 content-type text/plain string ok if { path /healthz }",
    ...renderAllow(spec, "http-request deny if !own !allowed"),
    "  http-request use-service prometheus-exporter if { path /metrics }",
    ...renderUpdater(spec),
  ];
}

/** Lines of the health frontend for PRE_STOP_HANDOVER, before all its other rules. */
export function renderPreStopHandover({ healthPort }: Pick<HaproxySpec, "healthPort">): string[] {
  const { address, path, waitMs } = PRE_STOP_HANDOVER;
  return [
    `  bind ${bindAddress(address, healthPort)}`,
    `  timeout tarpit ${waitMs}ms`,
    "  # The forward sees this request and takes over; kubelet stops HAProxy after the response.",
    `  http-request tarpit deny_status 200 if { dst ${address} } { path ${path} }`,
    `  http-request deny if { dst ${address} }`,
  ];
}

const NOT_FOUND = '  http-request return status 404 content-type text/plain string "not found"';

/** All other paths of the health frontend. */
function renderUpdater({ updaterSocket }: HaproxySpec): string[] {
  if (updaterSocket === undefined) return [NOT_FOUND];
  return [
    `${NOT_FOUND} unless { path_beg /updater/ }`,
    "  default_backend updater",
    "",
    "backend updater",
    "  mode http",
    "  timeout server 5s",
    "  http-request set-path %[path,regsub(^/updater,)]",
    `  server updater unix@${updaterSocket}`,
  ];
}

/** The source allow-list. It includes the host itself, whose kubelet uses the endpoint, too. */
function renderAllow(spec: HaproxySpec, rule: string): string[] {
  if (spec.allow.length === 0) return [];
  return [
    ...[...spec.listen, ...(spec.virtualAddresses ?? [])].map(
      (address) => `  acl own src ${quote(address)}`,
    ),
    "  acl own src 127.0.0.0/8 ::1",
    ...spec.allow.map((cidr) => `  acl allowed src ${cidr}`),
    `  ${rule}`,
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
