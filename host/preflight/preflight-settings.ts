import type { Advice } from "../advice";
import type { ForwardKind } from "../forward/forward-settings";
import type { OwnAddress } from "../own-address";

/** What HAProxy as a service needs of a host. */
export interface ServicePreflight {
  /** A foreign haproxy.cfg may be put aside. */
  readonly takeOver: boolean;
}

/** A cluster that exists: the certificates of its API servers must include the endpoint's name. */
export interface ExistingCluster {
  readonly endpointHost: string;
  /** PEM of the cluster's CA. */
  readonly caCert: string;
  /** `ADDRESS:PORT` by name. */
  readonly backends: Readonly<Record<string, string>>;
}

/** The endpoint, as every host must find it. */
export interface PreflightEndpoint {
  readonly host: string;
  /** Where HAProxy listens, on all load-balancer hosts; canonical. */
  readonly addresses: readonly string[];
}

/** The virtual IP of the endpoint. */
export interface VirtualIpPreflight {
  readonly address: string;
  /** Default: the interface with the host's own address */
  readonly interface?: string;
  /** Addresses of the load-balancer hosts, one of which may hold it. */
  readonly peers: readonly string[];
}

/** What a host must offer before anything changes on any host. */
export interface PreflightSettings {
  /** Name of the node, for the messages. */
  readonly node: string;
  /** The node's address as the other nodes reach it. */
  readonly address: string;
  readonly ports: { readonly lb: number; readonly api: number; readonly health: number };
  /** Default: not checked */
  readonly endpoint?: PreflightEndpoint;
  /** The host gets a forward of this kind. */
  readonly forward?: ForwardKind;
  /** The host gets HAProxy as a service. */
  readonly service?: ServicePreflight;
  /** The host is one of those that can hold this address. */
  readonly virtualIp?: VirtualIpPreflight;
  /** There is a cluster already. */
  readonly existing?: ExistingCluster;
  /** The host is a control-plane node, or is to be one. Default: true */
  readonly controlPlaneNode?: boolean;
  readonly ownAddress: OwnAddress;
  /** CIDRs that may reach the LB port. Default: all */
  readonly allow?: readonly string[];
  /** kubeadm will run here: kubeadm, kubelet and a container runtime are needed. */
  readonly bootstrap: boolean;
  /** Free space that the host needs under /var/lib, in MiB. Default: 1024 */
  readonly diskMiB?: number;
  /** What operators do about each refusal. Default: DEFAULT_ADVICE */
  readonly advice?: Advice;
}
