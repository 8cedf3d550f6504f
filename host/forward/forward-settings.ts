import { FORWARD_UNIT, HOST_LIB_DIR, PRODUCT } from "../../names";

/** How the LB port reaches the API port of the same host while HAProxy is not there. */
export type ForwardKind = "nftables" | "iptables" | "socat";

/**
 * Which of its addresses a host takes as its own. It is resolved on the host when the unit starts, so that one text fits all control-plane nodes:
 * - route: the source address of the default route (kubeadm's own rule), IPv4 before IPv6
 * - interface: the first global address of that interface, IPv4 before IPv6
 * - subnet: the first address inside that CIDR
 */
export type OwnAddress =
  | { readonly from: "route" }
  | { readonly from: "interface"; readonly interface: string }
  | { readonly from: "subnet"; readonly subnet: string };

/** The forward of one host; the same for all control-plane nodes. */
export interface ForwardSettings {
  readonly kind: ForwardKind;
  /** Port of the control-plane endpoint. */
  readonly lbPort: number;
  /** Port of the API server. */
  readonly apiPort: number;
  readonly ownAddress: OwnAddress;
  /** CIDRs from which the LB port may be reached; empty = from everywhere. The host itself always may. */
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

/** Whether a forward of this kind takes new connections from a HAProxy that still listens: see PRE_STOP_HANDOVER. */
export function supportsPreStopHandover(kind: ForwardKind): boolean {
  return kind === "nftables";
}

/** Whether these settings need rules in the kernel at all: socat alone does not, unless sources are restricted. */
export function needsRules(settings: Pick<ForwardSettings, "kind" | "allow">): boolean {
  return settings.kind !== "socat" || settings.allow.length > 0;
}
