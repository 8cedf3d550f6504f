import type { remote } from "@pulumi/command";
import type { Resource } from "@pulumi/pulumi";
import { reachabilityScript, type Reachability } from "../../host/reachability";
import type { Host } from "./host";

/**
 * Each of these hosts opens a connection to the LB port of every other load-balancer host: a
 * firewall that lets only the API port through is found before clients meet it. Lost hosts neither
 * ask nor are asked; one that is away is asked when it is back.
 *
 * @param dependsOn what listens on the LB port
 */
export function reachability(
  hosts: readonly Host[],
  loadBalancers: readonly Host[],
  settings: Omit<Reachability, "node" | "targets">,
  dependsOn: readonly Resource[],
): remote.Command[] {
  const targets = loadBalancers
    .filter(({ reachable }) => reachable)
    .map(({ name, address }) => ({ name, address }));
  return hosts
    .filter(({ name, lost }) => !lost && targets.some((target) => target.name !== name))
    .map((host) => {
      const { name, generation } = host;
      const script = reachabilityScript({ ...settings, node: name, targets }, { generation });
      return host.run("reachability", { script }, { dependsOn });
    });
}
