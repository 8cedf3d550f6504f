import { FORWARD_UNIT, HOST_LIB_DIR, PRODUCT } from "../../names";
import type { OwnAddress } from "../own-address";

/** How the LB port reaches the API port of the same host while HAProxy does not listen. */
export type ForwardKind = "nftables" | "iptables" | "socat";

/** The forward; the same on all control-plane nodes. */
export interface ForwardSettings {
  readonly kind: ForwardKind;
  /** Port of the control-plane endpoint. */
  readonly lbPort: number;
  /** Port of the API server. */
  readonly apiPort: number;
  readonly ownAddress: OwnAddress;
  /**
   * CIDRs from which the LB port may be reached; empty: from everywhere. The host itself always
   * may.
   */
  readonly allow: readonly string[];
}

/** The unit with the fallback listener; every kind has it. */
export const LISTENER_UNIT = FORWARD_UNIT;

/** The unit with the kernel's rules and their watcher. */
export const RULES_UNIT = `${PRODUCT}-forward-rules.service`;

/** What LISTENER_UNIT runs; see `listenerProgram`. */
export const LISTENER_PROGRAM = `${HOST_LIB_DIR}/forward-listener`;

/** What RULES_UNIT runs; see `rulesProgram`. */
export const RULES_PROGRAM = `${HOST_LIB_DIR}/forward-rules`;

/**
 * Does a forward of this kind take new connections from a HAProxy that still listens? See
 * PRE_STOP_HANDOVER.
 */
export function supportsPreStopHandover(kind: ForwardKind): boolean {
  return kind === "nftables";
}

/**
 * Do these settings need rules in the kernel? socat alone does not, unless sources are restricted.
 */
export function needsRules(settings: Pick<ForwardSettings, "kind" | "allow">): boolean {
  return settings.kind !== "socat" || settings.allow.length > 0;
}
