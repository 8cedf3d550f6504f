import { CONNECTS, type ReachedHost } from "../host/reachability";
import { quote } from "../host/shell";
import type { HostStatus } from "./report";

/**
 * Sh lines that print `closed NAME` for each host whose LB port is closed to this host. All are
 * tried at once.
 */
export function askPeers(lbPort: number, peers: readonly ReachedHost[]): string {
  return `${CONNECTS}
peer() { # name, address
  connects "$2" ${lbPort}
  [ $? -ne 1 ] || echo "closed $1"
}
${peers.map(({ name, address }) => `peer ${quote(name)} ${quote(address)} &`).join("\n")}
wait`;
}

/** Names of the hosts whose LB port is closed, in the output of `askPeers`. */
export function closedPeers(output: string): string[] {
  return [...output.matchAll(/^closed (\S+)$/gm)].map(([, name = ""]) => name);
}

/**
 * Adds a problem to each host whose LB port answers on the host itself, but is closed to others.
 *
 * @param closed for each host that asked, the names of the hosts whose LB port is closed to it
 */
export function withClosedPorts(
  hosts: readonly HostStatus[],
  closed: ReadonlyMap<string, readonly string[]>,
  lbPort: number,
): HostStatus[] {
  return hosts.map((host) => {
    const from = [...closed].flatMap(([name, targets]) =>
      targets.includes(host.name) ? [name] : [],
    );
    if (from.length === 0 || !host.answers) return host;
    const problem = `the LB port ${lbPort} answers on the host itself, but cannot be reached from ${from.join(", ")}: open the firewall of ${host.name}, and of the network between, for TCP ${lbPort}`;
    return { ...host, problems: [...host.problems, problem] };
  });
}
