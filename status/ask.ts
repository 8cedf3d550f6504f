import {
  hasDedicatedHosts,
  loadBalancersOf,
  type NodeSettings,
  type Settings,
} from "../stacks/settings";
import { isAllowed } from "../stacks/networks";
import { askPeers, closedPeers, withClosedPorts } from "./peers";
import { parseAnswers, unreachable, type HostStatus } from "./report";
import { statusScript } from "./script";
import { runScript } from "./ssh";

/** Time limit for one host, in ms: four HTTP requests of up to 3 s each, on a slow machine. */
const HOST_MS = 40_000;

/** What one host said, and the hosts whose LB port is closed to it. */
interface Answer {
  readonly status: HostStatus;
  readonly closed: readonly string[];
}

/**
 * Reads the status of every load-balancer host that is neither lost nor away, in parallel. Every host
 * that SSH reaches also tries the LB port of the others.
 */
export async function askHosts(settings: Settings): Promise<HostStatus[]> {
  const hosts = loadBalancersOf(settings).filter((node) => !node.lost && !node.away);
  const [answers, others] = await Promise.all([
    Promise.all(hosts.map((host) => askHost(host, hosts, settings))),
    Promise.all(clientsOf(settings).map((host) => askClient(host, hosts, settings))),
  ]);
  const closed = new Map([
    ...answers.map(({ status, closed: names }) => [status.name, names] as const),
    ...others,
  ]);
  return withClosedPorts(
    answers.map(({ status }) => status),
    closed,
    settings.ports.lb,
  );
}

async function askHost(
  { name, address, ssh }: NodeSettings,
  hosts: readonly NodeSettings[],
  settings: Settings,
): Promise<Answer> {
  const { ports, topology, nodes, loadBalancers } = settings;
  const expected = {
    forward: topology === "daemonset",
    apiServer: topology === "daemonset" || loadBalancers.length === 0,
    nodes: nodes.filter(({ lost }) => !lost).map(({ address }) => address),
    checksByToken: settings.haproxy.checks.authentication === "token",
  };
  const updater = topology === "external" || settings.daemonset.variant === "sidecar";
  const peers = isAllowed(settings.allow, address)
    ? hosts.filter((other) => other.name !== name)
    : [];
  try {
    const virtualIp = settings.virtualIp?.address;
    const question = {
      ...{ address, ports, updater, peers },
      ...(virtualIp === undefined ? {} : { virtualIp }),
    };
    const ran = await runScript(ssh, statusScript(question), HOST_MS);
    if (ran.code === 0) {
      const status = parseAnswers({ name, address }, { ports, updater }, ran.stdout, expected);
      return { status, closed: closedPeers(ran.stdout) };
    }
    const reason = ran.stderr.trim().split("\n").at(-1) ?? "";
    const message = `the status script failed (exit code ${ran.code}): ${reason}`;
    return { status: unreachable({ name, address }, message), closed: [] };
  } catch (error) {
    return { status: unreachable({ name, address }, (error as Error).message), closed: [] };
  }
}

/** The control-plane nodes, where HAProxy runs on other hosts: their kubelets use the endpoint. */
function clientsOf(settings: Settings): readonly NodeSettings[] {
  if (!hasDedicatedHosts(settings) || settings.bootstrap === "none") return [];
  return settings.nodes.filter((node) => !node.lost && !node.away);
}

/** A client that SSH does not reach says nothing of the load balancers. */
async function askClient(
  { name, ssh }: NodeSettings,
  hosts: readonly NodeSettings[],
  { ports }: Settings,
): Promise<readonly [string, readonly string[]]> {
  const output = await runScript(ssh, `${askPeers(ports.lb, hosts)}\n`, HOST_MS).then(
    ({ stdout }) => stdout,
    () => "",
  );
  return [name, closedPeers(output)];
}
