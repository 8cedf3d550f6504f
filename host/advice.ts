/** What an operator does about each refusal; each text follows a colon in a message. */
export interface Advice {
  /** A haproxy.cfg that is not ours is in the way. */
  readonly takeOver: string;
  /** The host does not have its configured address. */
  readonly address: string;
  /** The host would use another address as its own. */
  readonly ownAddress: string;
  /** The endpoint's name does not resolve, or to the host itself. */
  readonly endpointName: string;
  /** The endpoint's name resolves to an address on which HAProxy does not listen. */
  readonly endpointAddress: string;
  /** The virtual IP cannot be used. */
  readonly virtualIp: string;
  /** The LB, health or API port cannot be used. */
  readonly ports: Readonly<Record<"lb" | "health" | "api", string>>;
  /** The other topology holds the port. */
  readonly otherTopology: string;
  /** A former version of the program, which knew one instance a host, holds the port. */
  readonly formerVersion: string;
  /** The kernel refuses the forward's rules, even with their modules. */
  readonly forwardKind: string;
  /** The API servers' certificates are not signed by the known CA. */
  readonly caCert: string;
}

/** Advice that names no configuration key. */
export const DEFAULT_ADVICE: Advice = {
  takeOver: "move it away",
  address: "correct the address, or use the right host",
  ownAddress: "name the interface or the subnet of the node address",
  endpointName: "give the name the addresses of load-balancer hosts, in DNS or in /etc/hosts",
  endpointAddress: "correct the name in DNS or /etc/hosts",
  virtualIp: "choose a free address in the network of the host",
  ports: {
    lb: "choose another LB port",
    health: "choose another health port",
    api: "choose another API port",
  },
  otherTopology: "remove that one first (the cluster stays), then run this again",
  formerVersion: "remove it with that version first, then run this again",
  forwardKind: "choose another kind of forward",
  caCert: "provide the CA of this cluster",
};
