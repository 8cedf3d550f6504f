/**
 * Renders haproxy.cfg, for the program and the updater alike: so the two never disagree.
 * Pure; equal input gives equal bytes.
 */
import { createHash } from "node:crypto";
import { renderEndpoint, renderHealthPort } from "./listeners";
import type { Backend } from "./model";
import { POOLS, renderPool } from "./pools";
import { checkSpec, openFiles, VARIABLE, type HaproxySpec } from "./spec";

export { POOLS, type Pool } from "./pools";
export type { HaproxyChecks, HaproxySpec, HaproxyTimeouts } from "./spec";

/**
 * Ring of HAProxy's own messages (server up, server down): the updater reads it instead of polling.
 */
export const EVENT_RING = "events";

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
    renderEndpoint(spec, slots),
    ...POOLS.map((pool) => renderPool(pool, spec, slots)),
    ...renderHealthPort(spec),
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
  const text = [renderGlobal(spec, "spec-"), renderDefaults(spec), renderEndpoint(spec, [])]
    .concat(POOLS.map((pool) => renderPool(pool, spec, [undefined])))
    .concat(renderHealthPort(spec));
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
