import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { forwardPart, type ForwardSettings } from "../../host/forward/forward-part";
import type { Host } from "./host";

/**
 * Forwards the LB port to the API port of the same host while HAProxy does not listen. Its systemd
 * units start before the kubelet; destroy removes them.
 */
export function portForward(
  host: Host,
  settings: ForwardSettings,
  dependsOn: readonly Resource[],
): remote.Command {
  return host.runPart("forward", forwardPart(settings), { dependsOn });
}
