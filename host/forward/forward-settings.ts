import { FORWARD_UNIT, HOST_LIB_DIR, PRODUCT } from "../../names";
import type { OwnAddress } from "../own-address";

/** How the LB port reaches the API port of the same host while HAProxy does not listen. */
export type ForwardKind = "nftables" | "iptables" | "socat";

/** Settings of the forward, the same on all control-plane nodes. */
export interface ForwardSettings {
  readonly kind: ForwardKind;
  /** Port of the control-plane endpoint. */
  readonly lbPort: number;
  /** Port of the API server. */
  readonly apiPort: number;
  /** HAProxy's health port: `allow` counts for it too. */
  readonly healthPort: number;
  readonly ownAddress: OwnAddress;
  /**
   * IP addresses of the control-plane endpoint. The forward takes connections to the host's own
   * address and to those of them that the host has. @default none but the own address
   */
  readonly endpointAddresses?: readonly string[];
  /** CIDRs that may reach LB port and health port; empty: all. The host itself always may. */
  readonly allow: readonly string[];
}

/** Name of the part. */
export const FORWARD_PART = "forward";

/** The unit with the fallback listener; every kind has it. */
export const LISTENER_UNIT = FORWARD_UNIT;

/** The unit with the kernel's rules and their watcher. */
export const RULES_UNIT = `${PRODUCT}-forward-rules.service`;

/** What LISTENER_UNIT runs; see `listenerProgram`. */
export const LISTENER_PROGRAM = `${HOST_LIB_DIR}/forward-listener`;

/** What RULES_UNIT runs; see `rulesProgram`. */
export const RULES_PROGRAM = `${HOST_LIB_DIR}/forward-rules`;

/**
 * Can a forward of this kind take new connections while HAProxy still listens? See
 * PRE_STOP_HANDOVER.
 */
export function supportsPreStopHandover(kind: ForwardKind): boolean {
  return kind === "nftables";
}

/** Do these settings need rules in the kernel? socat needs them only to restrict sources. */
export function needsRules(settings: Pick<ForwardSettings, "kind" | "allow">): boolean {
  return settings.kind !== "socat" || settings.allow.length > 0;
}

/**
 * Connections that the fallback listener serves at once, each by a process; further ones wait. With
 * rules only the host's own clients use it. Without, it serves all: 1,000 nodes x 10 connections.
 */
export function listenerConnections(kind: ForwardKind): number {
  return kind === "socat" ? 10_000 : 2000;
}

/** Memory of one of these processes with its part of the kernel's: measured 181 KiB, and buffers. */
export const LISTENER_KIB_PER_CONNECTION = 256;
