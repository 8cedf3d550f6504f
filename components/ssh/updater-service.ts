import type { remote } from "@pulumi/command";
import type { Output, Resource } from "@pulumi/pulumi";
import { tokenPart, type TokenSettings } from "../../host/service/token-part";
import { updaterPart, type UpdaterServiceSettings } from "../../host/service/updater-part";
import type { Host } from "./host";

/**
 * The updater as a systemd service of this host, with what HAProxy needs to start: CA certificate,
 * settings, first backends.
 */
export function updaterService(
  host: Host,
  settings: Omit<UpdaterServiceSettings, "caCert">,
  caCert: Output<string>,
  dependsOn: readonly Resource[],
): remote.Command {
  const part = caCert.apply((pem) => updaterPart({ ...settings, caCert: `${pem.trim()}\n` }));
  return host.runPart("updater", part, { dependsOn });
}

/** Delivers the token to the updater, and waits until the updater has used it. */
export function updaterToken(
  host: Host,
  token: Output<string>,
  settings: Omit<TokenSettings, "token">,
  dependsOn: readonly Resource[],
): remote.Command {
  const part = token.apply((text) => tokenPart({ ...settings, token: text }));
  return host.runPart("token", part, { dependsOn, secret: true });
}
