import { canonicalAddress } from "../haproxy/address";
import type { OwnAddress } from "../host/own-address";
import type { KubeadmFragments } from "../host/kubeadm/kubeadm-settings";
import type { SshTarget } from "../components/ssh/ssh-target";
import type { Parsed } from "./schema";
import type { NodeSettings, Settings, VirtualIpChoice } from "./settings";

/** The settings of a configuration without errors. */
export function assemble(parsed: Parsed, targets: ReadonlyMap<string, SshTarget>): Settings {
  const { nodes, loadBalancers, ports, ownAddress, kubeconfig, clusterName, ...others } = parsed;
  const { virtualIp: given, ...rest } = others;
  const virtualIp = virtualIpOf(given);
  const addresses = [
    ...(virtualIp === undefined ? [] : [virtualIp.address]),
    ...parsed.endpoint.addresses.map(canonicalAddress),
  ];
  return {
    ...rest,
    ...defined({ kubeconfig, clusterName, virtualIp }),
    endpoint: { ...parsed.endpoint, addresses },
    ports: { lb: parsed.endpoint.port, ...ports },
    ownAddress: {
      ...ownAddressOf(ownAddress),
      ...(addresses.length > 0 ? { not: addresses } : {}),
    },
    kubeadm: kubeadmOf(parsed.kubeadm),
    nodes: machines(nodes, targets),
    loadBalancers: machines(loadBalancers, targets),
  };
}

function virtualIpOf(parsed: Parsed["virtualIp"]): VirtualIpChoice | undefined {
  if (parsed === undefined) return undefined;
  const { address, interface: device, routerId, peers } = parsed;
  return {
    ...defined({ interface: device, routerId }),
    address: canonicalAddress(address),
    peers: peers.map(canonicalAddress),
  };
}

function kubeadmOf(parsed: Parsed["kubeadm"]): Settings["kubeadm"] {
  const { kubernetesVersion, certSANs, ignorePreflightErrors, skipPhases, resetOnDestroy } = parsed;
  const fragments: KubeadmFragments = defined({
    clusterConfiguration: parsed.clusterConfiguration,
    initConfiguration: parsed.initConfiguration,
    joinConfiguration: parsed.joinConfiguration,
    kubeletConfiguration: parsed.kubeletConfiguration,
    kubeProxyConfiguration: parsed.kubeProxyConfiguration,
  });
  return {
    ...defined({ kubernetesVersion }),
    certSANs,
    ignorePreflightErrors,
    skipPhases,
    fragments,
    resetOnDestroy,
  };
}

function machines(nodes: Parsed["nodes"], targets: ReadonlyMap<string, SshTarget>): NodeSettings[] {
  return Object.entries(nodes)
    .sort(([a], [b]) => byName(a, b))
    .map(([name, node]) => ({
      name,
      address: canonicalAddress(node.address),
      ssh: targets.get(name) as SshTarget,
      generation: node.generation,
      lost: node.lost,
      away: node.away,
    }));
}

function ownAddressOf({ interface: name, subnet }: Parsed["ownAddress"]): OwnAddress {
  if (name !== undefined) return { from: "interface", interface: name };
  return subnet === undefined ? { from: "route" } : { from: "subnet", subnet };
}

// Pulumi sorts the keys of a map by bytes, which puts m10 before m2
function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true }) || (a < b ? -1 : 1);
}

/** Without the keys that have no value. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined),
  ) as never;
}
