import { HAPROXY_DEFAULTS } from "../../../support/haproxy-defaults";
import type { HaproxyServiceSettings } from "../../../../host/service/haproxy-part";
import type { TokenSettings, UpdaterServiceSettings } from "../../../../host/service/updater-part";

export const CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
export const TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl";

export function haproxySettings(
  changes: Partial<HaproxyServiceSettings> = {},
): HaproxyServiceSettings {
  return {
    address: "10.0.0.11",
    ports: { lb: 6444, health: 6445 },
    ownAddress: { from: "route" },
    takeOver: false,
    ...changes,
  };
}

export function updaterSettings(
  changes: Partial<UpdaterServiceSettings> = {},
): UpdaterServiceSettings {
  return {
    address: "10.0.0.11",
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
  return {
    token: TOKEN,
    delivery: "environment",
    address: "10.0.0.11",
    healthPort: 6445,
    ...changes,
  };
}
