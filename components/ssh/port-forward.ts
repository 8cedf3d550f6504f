import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { forwardScript, type ForwardSettings } from "../../host/forward/forward-part";
import type { Host } from "./host";

/** LB port -> API port of the same host whenever HAProxy is not there: systemd units, there before the kubelet, gone on destroy. */
export function portForward(
  host: Host,
  settings: ForwardSettings,
  dependsOn: readonly Resource[],
): remote.Command {
  const script = forwardScript(settings, { generation: host.generation });
  return host.run("forward", { script, removes: true }, { dependsOn });
}
