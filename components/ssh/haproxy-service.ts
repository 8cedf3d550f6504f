import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { haproxyPart, type HaproxyServiceSettings } from "../../host/service/haproxy-part";
import { configurationAdvice } from "./advice";
import type { Host } from "./host";

/**
 * HAProxy as a systemd service of this host. It starts before the kubelet; destroy removes it and
 * leaves the package as it was before.
 */
export function haproxyService(
  host: Host,
  settings: HaproxyServiceSettings,
  dependsOn: readonly Resource[],
): remote.Command {
  const part = haproxyPart(settings, configurationAdvice(host.name));
  return host.runPart("haproxy", part, { dependsOn });
}
