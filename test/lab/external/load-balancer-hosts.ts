import type { Lab } from "../../../lab/src/index";
import type { Layout } from "../cluster/control-plane";

/** The load-balancer hosts, without Kubernetes. The first one is the endpoint. */
export const LOAD_BALANCERS: readonly string[] = ["w1", "w2"];

/** HAProxy on load-balancer hosts; one of them already runs a foreign HAProxy. */
export function loadBalancerHosts(lab: Lab): Layout {
  const { machines } = lab;
  const addressOf = (machine: string) => machines.find(({ name }) => name === machine)?.address;
  return {
    stack: "external",
    loadBalancers: LOAD_BALANCERS,
    settings: {
      topology: "external",
      endpoint: { host: addressOf("w1") },
      loadBalancers: Object.fromEntries(
        LOAD_BALANCERS.map((name) => [name, { address: addressOf(name) }]),
      ),
      haproxy: { takeOver: true },
      // the endpoint moves there later
      kubeadm: { certSANs: [addressOf("m1")] },
    },
  };
}

const FOREIGN_CONFIG = `defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend foreign
  bind 127.0.0.1:8404
  http-request return status 200 content-type text/plain string foreign
`;

/** Starts a foreign HAProxy on a machine: enabled, running, with its own configuration. */
export async function startForeignHaproxy(lab: Lab, machine: string): Promise<void> {
  await lab.exec(machine, "cat >/etc/haproxy/haproxy.cfg && systemctl enable --now haproxy", {
    input: FOREIGN_CONFIG,
  });
}

/** The response of the foreign HAProxy. @throws when it does not serve */
export async function getFromForeignHaproxy(lab: Lab, machine: string): Promise<string> {
  return (await lab.exec(machine, "curl -sf --max-time 3 http://127.0.0.1:8404/")).stdout;
}

/** The state of a machine as lines, see `snapshot`. */
export type Snapshot = ReadonlySet<string>;

/** Configuration files with checksums (accounts included), packages and units of a machine. */
export async function snapshot(lab: Lab, machine: string): Promise<Snapshot> {
  const { stdout } = await lab.exec(
    machine,
    `cd /
    list() { find etc usr/local opt root home -xdev -path root/.kube -prune -o "$@"; }
    list -type f ! -path 'etc/*-' ! -name .pwd.lock -exec sha256sum {} +
    list -type l -printf '%p -> %l\\n' -o -type d -printf '%p/ %m %u\\n'
    find var/lib -maxdepth 1
    dpkg-query --show --showformat='package \${Package} \${Version} \${Status}\\n'
    systemctl list-unit-files --no-legend --plain --type=service,path,timer
    echo "haproxy is $(systemctl is-active haproxy)"`,
  );
  return new Set(stdout.split("\n").map((line) => line.replaceAll(/\s+/g, " ").trim()));
}

/** Lines of only one of two snapshots: `-` for before, `+` for after. */
export function difference(before: Snapshot, after: Snapshot): string[] {
  const only = (one: Snapshot, other: Snapshot) => [...one].filter((line) => !other.has(line));
  return [
    ...only(before, after).map((line) => `- ${line}`),
    ...only(after, before).map((line) => `+ ${line}`),
  ];
}
