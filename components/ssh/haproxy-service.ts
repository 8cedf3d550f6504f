import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { haproxyPart, type HaproxyServiceSettings } from "../../host/service/haproxy-part";
import { configurationAdvice } from "./advice";
import type { Host } from "./host";

/**
 * HAProxy as a systemd service of this host: there before the kubelet, gone on destroy, and the
 * package as it was.
 */
export function haproxyService(
  host: Host,
  settings: HaproxyServiceSettings,
  dependsOn: readonly Resource[],
): remote.Command {
  const part = haproxyPart(settings, configurationAdvice(host.name));
  return host.runPart("haproxy", part, { dependsOn });
}
