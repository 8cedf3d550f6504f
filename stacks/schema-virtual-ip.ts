import { address, keys, list, text, whole } from "./fields";

/** The virtual IP that the program keeps on one of the load-balancer hosts. */
export const virtualIp = keys({
  address: address().describe(
    "A free address in the network of the load-balancer hosts, of the same family as theirs. It cannot change while the cluster exists.",
  ),
  interface: text("the name of a network interface", /^[A-Za-z0-9_.@-]{1,15}$/)
    .optional()
    .describe(
      "The interface that gets the address, on every host. Default: the one with the host's own address.",
    ),
  routerId: whole(1, 255)
    .optional()
    .describe(
      "VRRP's virtual router id. Default: derived from stack and address. Hosts refuse to start when something else on the network uses it.",
    ),
  peers: list(address(), "IP addresses").describe(
    "Further load-balancer hosts that are in neither `nodes` nor `loadBalancers`.",
  ),
})
  .optional()
  .describe(
    "[A virtual IP](virtual-ip.md) that moves between the load-balancer hosts, by keepalived. `endpoint.host` is this address, or a name of it.",
  );
