import type { ForwardKind, OwnAddress } from "../forward/settings";

/** What a host must offer before anything changes on any host. */
export interface PreflightSettings {
  /** Name of the node, for the messages. */
  readonly node: string;
  /** The node's address as the other nodes reach it. */
  readonly address: string;
  readonly ports: { readonly lb: number; readonly api: number; readonly health: number };
  readonly forward: ForwardKind;
  readonly ownAddress: OwnAddress;
  /** CIDRs that may reach the LB port. Default: everybody. */
  readonly allow?: readonly string[];
  /** kubeadm will run here: kubeadm, kubelet and a container runtime are needed. */
  readonly bootstrap: boolean;
  /** Free space that the host needs under /var/lib, in MiB. Default: 1024. */
  readonly diskMiB?: number;
}
