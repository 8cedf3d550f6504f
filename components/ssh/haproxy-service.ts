import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { haproxyServiceScript, type HaproxyServiceSettings } from "../../host/service/haproxy-part";
import type { Host } from "./host";

/** HAProxy as a systemd service of this host: there before the kubelet, gone on destroy, and the package as it was. */
export function haproxyService(
  host: Host,
  settings: Omit<HaproxyServiceSettings, "address">,
  dependsOn: readonly Resource[],
): remote.Command {
  const { address, generation } = host;
  const script = haproxyServiceScript({ ...settings, address }, { generation });
  return host.run("haproxy", { script, removes: true }, { dependsOn });
}
