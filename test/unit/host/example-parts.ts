import { virtualIpPart, virtualIpPeersPart } from "../../../host/virtual-ip/virtual-ip-part";
import type { VirtualIpSettings } from "../../../host/virtual-ip/virtual-ip-settings";
import { HAPROXY_DEFAULTS } from "../../support/haproxy-defaults";
import { forwardPart, type ForwardSettings } from "../../../host/forward/forward-part";
import type { HostPart } from "../../../host/part";
import { haproxyPart, type HaproxyServiceSettings } from "../../../host/service/haproxy-part";
import { tokenPart, type TokenSettings } from "../../../host/service/token-part";
import { updaterPart, type UpdaterServiceSettings } from "../../../host/service/updater-part";

export const CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
export const TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl";

export function forwardSettings(changes: Partial<ForwardSettings> = {}): ForwardSettings {
  return {
    kind: "nftables",
    lbPort: 6444,
    apiPort: 6443,
    healthPort: 6445,
    ownAddress: { from: "route" },
    allow: [],
    ...changes,
  };
}

export function haproxySettings(
  changes: Partial<HaproxyServiceSettings> = {},
): HaproxyServiceSettings {
  return { ports: { lb: 6444, health: 6445 }, takeOver: false, ...changes };
}

export function updaterSettings(
  changes: Partial<UpdaterServiceSettings> = {},
): UpdaterServiceSettings {
  return {
    ownAddress: { from: "route" },
    script: "// the updater\n",
    caCert: CA,
    backends: { m1: "10.0.0.11:6443", m2: "10.0.0.12:6443" },
    haproxy: { port: 6444, healthPort: 6445, allow: [], ...HAPROXY_DEFAULTS },
    apiPort: 6443,
    discovery: "configMap",
    drainSeconds: 30,
    retainSeconds: 3600,
    token: "environment",
    ...changes,
  };
}

export function tokenSettings(changes: Partial<TokenSettings> = {}): TokenSettings {
  return { token: TOKEN, delivery: "environment", ports: { lb: 6444, health: 6445 }, ...changes };
}

export function virtualIpSettings(changes: Partial<VirtualIpSettings> = {}): VirtualIpSettings {
  return {
    address: "10.9.0.100",
    routerId: 51,
    ports: { lb: 6444, health: 6445 },
    ownAddress: { from: "route", not: ["10.9.0.100"] },
    behind: "service",
    ...changes,
  };
}

/** Every part in its variants, by what they are. */
export const PARTS: Readonly<Record<string, HostPart>> = {
  "the forward by nftables": forwardPart(forwardSettings()),
  "the forward by nftables with allowed sources": forwardPart(
    forwardSettings({ allow: ["10.0.0.0/8", "fd00::/8"] }),
  ),
  "the forward by iptables": forwardPart(
    forwardSettings({
      kind: "iptables",
      allow: ["10.0.0.0/8"],
      endpointAddresses: ["10.0.0.9", "fd00::9"],
    }),
  ),
  "the forward by socat": forwardPart(forwardSettings({ kind: "socat" })),
  "HAProxy's service": haproxyPart(haproxySettings()),
  "HAProxy's service on a port below 1024": haproxyPart(
    haproxySettings({ ports: { lb: 443, health: 6445 } }),
  ),
  "HAProxy's service with a take-over": haproxyPart(haproxySettings({ takeOver: true })),
  "the updater's service": updaterPart(updaterSettings()),
  "the updater's token in its environment": tokenPart(tokenSettings()),
  "the virtual IP": virtualIpPart(virtualIpSettings()),
  "the virtual IP on control-plane nodes, IPv6": virtualIpPart(
    virtualIpSettings({
      address: "fd00::100",
      interface: "eth1",
      behind: "forward",
      peersAreBackends: true,
    }),
  ),
  "the virtual IP's peers": virtualIpPeersPart(6444, ["10.0.0.11", "10.0.0.12"]),
  "the updater's token in a file": tokenPart(tokenSettings({ delivery: "file" })),
};
