import type { UnitSection } from "./unit-text";

/** What a hardened service keeps. */
export interface Privileges {
  /** Default: none. */
  readonly capabilities?: readonly string[];
  /** Default: Unix sockets, IPv4, IPv6 and netlink. */
  readonly addressFamilies?: readonly string[];
}

const ADDRESS_FAMILIES = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"];

/**
 * Settings of `[Service]` that keep `systemd-analyze security` below 3.0, with or without root. See
 * systemd.exec(5).
 *
 * Not here: LimitNOFILE= and User= (containers and missing accounts fail the start),
 * MemoryDenyWriteExecute= (Node.js compiles code).
 */
export function hardening({
  capabilities = [],
  addressFamilies = ADDRESS_FAMILIES,
}: Privileges = {}): UnitSection {
  return {
    CapabilityBoundingSet: capabilities.join(" "),
    NoNewPrivileges: "yes",
    ProtectSystem: "strict",
    ProtectHome: "yes",
    PrivateTmp: "yes",
    PrivateDevices: "yes",
    ProtectClock: "yes",
    ProtectControlGroups: "yes",
    ProtectHostname: "yes",
    ProtectKernelLogs: "yes",
    ProtectKernelModules: "yes",
    ProtectKernelTunables: "yes",
    ProtectProc: "invisible",
    LockPersonality: "yes",
    RestrictAddressFamilies: addressFamilies.join(" "),
    RestrictNamespaces: "yes",
    RestrictRealtime: "yes",
    RestrictSUIDSGID: "yes",
    SystemCallArchitectures: "native",
    SystemCallFilter: "@system-service",
    SystemCallErrorNumber: "EPERM",
  };
}
