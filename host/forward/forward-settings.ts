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
  readonly ownAddress: OwnAddress;
  /** CIDRs that may reach the LB port; empty: all. The host itself always may. */
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
