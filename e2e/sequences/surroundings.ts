import type { LabCluster } from "../scenario/lab-cluster";
import type { Surroundings } from "./contents";

/** sshd, kubelet and etcd accept connections, and are no API servers. */
const OTHER_PORTS = [22, 10250, 2379];

/** A lab's machines have the low numbers of its network. */
const NOBODY = [250, 251];

/** What contents can be made of on a lab's cluster; no address is outside of the lab. */
export function surroundingsOf(
  cluster: Pick<LabCluster, "controlPlaneNodes" | "loadBalancers" | "ports">,
): Surroundings {
  const { api, lb } = cluster.ports;
  const nodes = cluster.controlPlaneNodes;
  const [{ address } = { address: "" }] = nodes;
  const network = address.slice(0, address.lastIndexOf("."));
  return {
    right: Object.fromEntries(nodes.map((node) => [node.name, `${node.address}:${api}`])),
    nobody: NOBODY.map((number) => `${network}.${number}`),
    strangers: nodes.map((node, at) => `${node.address}:${OTHER_PORTS[at % OTHER_PORTS.length]}`),
    loadBalancers: cluster.loadBalancers.map((host) => `${host.address}:${lb}`),
  };
}
