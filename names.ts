/**
 * Names that the program, the updater, the host scripts and operators share: each is defined here
 * once.
 */

/** Label, field manager, and prefix of units, files and objects. */
export const PRODUCT = "control-plane-lb";

/** Namespace of every object that the program creates in a cluster. */
export const NAMESPACE = "kube-system";

/** ConfigMap with one key per control-plane node: `m1: "10.77.0.11:6443"`. */
export const BACKENDS_CONFIG_MAP = "haproxy-backends";

/** ConfigMap with the updater's bundled script and its settings; the pods mount it. */
export const UPDATER_CONFIG_MAP = `${PRODUCT}-updater`;

/**
 * Annotation of the backends ConfigMap: the configured control-plane nodes, as a sorted JSON array
 * of names. The removal script of a host reads it.
 */
export const CONTROL_PLANE_NODES_ANNOTATION = `${PRODUCT}/control-plane-nodes`;

/**
 * Annotation of the backends ConfigMap: the stack whose load balancer the cluster has, as
 * ORGANIZATION/PROJECT/STACK. A second stack cannot write its own value: see `Backends`.
 */
export const STACK_ANNOTATION = `${PRODUCT}/stack`;

/** The EndpointSlice that lists the API servers; its Service has the same name. */
export const API_SERVERS_SLICE = { namespace: "default", name: "kubernetes" } as const;

/** Name of the ServiceAccount, Role, RoleBinding and DaemonSet. */
export const WORKLOAD = PRODUCT;

/** Label of the pods. */
export const POD_LABELS = { "app.kubernetes.io/name": PRODUCT } as const;

/** Persistent state on a host: manifests of files, markers. */
export const HOST_STATE_DIR = `/var/lib/${PRODUCT}`;

/** Scripts that units on a host run. */
export const HOST_LIB_DIR = `/usr/local/lib/${PRODUCT}`;

/**
 * Lock that every host script takes: two runs never change a host at once. Only root may enter its
 * folder.
 */
export const HOST_LOCK = `/run/${PRODUCT}-host/lock`;

/** Where systemd looks for the administrator's units. */
export const UNIT_DIR = "/etc/systemd/system";

/** systemd unit of the forward. */
export const FORWARD_UNIT = `${PRODUCT}-forward.service`;

/** Transient unit for kubeadm: a second run attaches to it. */
export const KUBEADM_UNIT = `${PRODUCT}-kubeadm.service`;

/** Transient unit of the tunnel for a joining host that has the endpoint's address itself. */
export const TUNNEL_UNIT = `${PRODUCT}-endpoint.service`;

/**
 * UID of HAProxy in its official image and of the fallback listener: only equal UIDs share a port.
 */
export const HAPROXY_UID = 99;

/** Default ports. */
export const DEFAULT_PORTS = { lb: 6444, api: 6443, health: 6445 } as const;

/**
 * How a pod hands over the LB port before it stops: no connection meets a closing port.
 *
 * Kubelet requests `path` on `address` and the health port. The forward's rules see that request
 * and take all new connections for `forwardSeconds`. HAProxy answers after `waitMs`, then kubelet
 * stops it. Nothing else may use this address.
 *
 * 1.5 s covers any TCP handshake in flight, including one SYN-ACK retransmission after 1 s. A hung
 * HAProxy is killed 3 s after the request: 1 s for the answer, then kubelet's minimum grace of 2 s.
 */
export const PRE_STOP_HANDOVER = {
  address: "127.0.64.44",
  path: "/prestop",
  waitMs: 1500,
  forwardSeconds: 5,
} as const;

/** User and group of the updater on a load-balancer host; HAProxy's user is in this group. */
export const UPDATER_USER = PRODUCT;

/** The updater's state on load-balancer hosts: a folder per instance. */
export const HOST_UPDATER_DIR = `/var/lib/${PRODUCT}-updater`;

/**
 * HAProxy and its updater as services of a load-balancer host (topology `external`). The LB port
 * names the instance: stacks with different ports can share a host.
 */
export interface ServiceInstance {
  /** systemd unit of HAProxy. */
  readonly haproxyUnit: string;
  /** systemd unit of the updater. */
  readonly updaterUnit: string;
  /** Settings, CA certificate and first backends; only root writes there. */
  readonly configDir: string;
  /** Scripts that its units run. */
  readonly libDir: string;
  /** Sockets and server state; a reboot empties it. */
  readonly runDir: string;
  /** haproxy.cfg and the last good backends. */
  readonly updaterDir: string;
}

/** Names of the instance with this LB port. */
export function serviceInstance(lbPort: number): ServiceInstance {
  return {
    haproxyUnit: `${PRODUCT}-haproxy-${lbPort}.service`,
    updaterUnit: `${PRODUCT}-updater-${lbPort}.service`,
    configDir: `/etc/${PRODUCT}/${lbPort}`,
    libDir: `${HOST_LIB_DIR}/${lbPort}`,
    runDir: `/run/${PRODUCT}/${lbPort}`,
    updaterDir: `${HOST_UPDATER_DIR}/${lbPort}`,
  };
}
