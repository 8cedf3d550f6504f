import { loadBalancersOf, type Settings } from "../stacks/settings";
import { parseAnswers, unreachable, type HostStatus } from "./report";
import { statusScript } from "./script";
import { runScript } from "./ssh";

/** Time limit for one host, in ms: four HTTP requests of up to 3 s each, on a slow machine. */
const HOST_MS = 40_000;

/** Reads the status of every load-balancer host that is not marked as lost, in parallel. */
export function askHosts(settings: Settings): Promise<HostStatus[]> {
  const { ports, topology, nodes, loadBalancers } = settings;
  const expected = {
    forward: topology === "daemonset",
    apiServer: topology === "daemonset" || loadBalancers.length === 0,
    nodes: nodes.filter(({ lost }) => !lost).map(({ address }) => address),
    checksByToken: settings.haproxy.checks.authentication === "token",
  };
  const updater = topology === "external" || settings.daemonset.variant === "sidecar";
  return Promise.all(
    loadBalancersOf(settings)
      .filter((node) => !node.lost)
      .map(async ({ name, address, ssh }) => {
        try {
          const ran = await runScript(ssh, statusScript({ address, ports, updater }), HOST_MS);
          if (ran.code === 0) {
            return parseAnswers({ name, address }, { ports, updater }, ran.stdout, expected);
          }
          const reason = ran.stderr.trim().split("\n").at(-1) ?? "";
          return unreachable(
            { name, address },
            `the status script failed (exit code ${ran.code}): ${reason}`,
          );
        } catch (error) {
          return unreachable({ name, address }, (error as Error).message);
        }
      }),
  );
}
