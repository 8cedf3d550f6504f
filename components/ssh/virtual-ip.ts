import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { virtualIpPart, virtualIpPeersPart } from "../../host/virtual-ip/virtual-ip-part";
import type { VirtualIpSettings } from "../../host/virtual-ip/virtual-ip-settings";
import type { Host } from "./host";

/**
 * The virtual IP on the load-balancer hosts. All of them know each other before it starts on one:
 * a host that the holder does not know would wait for it. Then one host follows the other, so that
 * a change never takes the address from all of them at once.
 *
 * @param peers addresses of all load-balancer hosts
 * @param dependsOn what serves the LB port: the address leaves a host before that
 */
export function virtualIp(
  hosts: readonly Host[],
  settings: VirtualIpSettings,
  peers: readonly string[],
  dependsOn: readonly Resource[],
): remote.Command[] {
  const known = hosts.map((host) =>
    host.runPart("virtual-ip-peers", virtualIpPeersPart(settings.ports.lb, peers), {
      dependsOn,
    }),
  );
  const started: remote.Command[] = [];
  for (const host of hosts) {
    const before = [...dependsOn, ...known, ...started];
    started.push(host.runPart("virtual-ip", virtualIpPart(settings), { dependsOn: before }));
  }
  return started;
}
