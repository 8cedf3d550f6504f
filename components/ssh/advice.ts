import type { Advice } from "../../host/advice";

/**
 * Advice in terms of this program's configuration. `key` is the host's path in it, like "nodes.m1".
 */
export function configurationAdvice(key: string): Advice {
  return {
    takeOver:
      "move it away, or set haproxy.takeOver to true, which sets it aside until HAProxy is removed",
    address: `correct ${key}.address, or connect to the right host (sshHost)`,
    ownAddress:
      "set ownAddress.interface or ownAddress.subnet so that every host finds its node address",
    endpointName:
      "give the name the addresses of load-balancer hosts (or of endpoint.addresses), in DNS or in /etc/hosts",
    endpointAddress:
      "correct the name in DNS or /etc/hosts, or list the address under endpoint.addresses if something else provides it (keepalived, kube-vip, a hardware load balancer)",
    virtualIp:
      "correct virtualIp.address or virtualIp.interface; if something else provides the address, list it under endpoint.addresses instead",
    ports: {
      lb: "choose another port (endpoint.port)",
      health: "choose another port (ports.health)",
      api: "choose another port (ports.api)",
    },
    otherTopology:
      "pulumi destroy with the former configuration first (the cluster stays), then pulumi up",
    formerVersion: "pulumi destroy with that version first (the cluster stays), then pulumi up",
    forwardKind: "choose another forward.kind",
    caCert: "provide the kubeconfig of this cluster",
  };
}
