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

/**
 * ConfigMaps with the updater's bundled script and its settings; the pods mount one. The name of
 * each ends with the hash of its content.
 */
export const UPDATER_CONFIG_MAP = `${PRODUCT}-updater`;

/**
 * Annotation of the backends ConfigMap: the configured control-plane nodes, as a sorted JSON array
 * of names. The removal script of a host reads it.
 */
export const CONTROL_PLANE_NODES_ANNOTATION = `${PRODUCT}/control-plane-nodes`;

/**
 * Its annotation with the value `true` from the last join until the stack is destroyed: a listed
 * control-plane node is never reset meanwhile.
 */
export const IN_USE_ANNOTATION = `${PRODUCT}/in-use`;

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

/** Annotation of the pods and their template: its hash. */
export const TEMPLATE_ANNOTATION = `${PRODUCT}/template`;

/** Label that kubeadm gives to a control-plane node, with any value. */
export const CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane";

/** Persistent state on a host: manifests of files, markers. */
export const HOST_STATE_DIR = `/var/lib/${PRODUCT}`;

/** Scripts that units on a host run. Not under /usr, which is read-only on some systems. */
export const HOST_LIB_DIR = `/opt/${PRODUCT}`;

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

/** Below it, a process without root needs CAP_NET_BIND_SERVICE to listen. */
export const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Loopback address of the health port for probes of the host itself: no other machine reaches it,
 * and no other listener of HAProxy shares its places. IPv4, since hosts without IPv4 addresses have
 * 127.0.0.0/8 too. Not 127.0.0.1, where other programs listen.
 */
export const HEALTH_ADDRESS = "127.0.64.45";

/**
 * How a pod hands over the LB port before it stops: no connection meets a closing port.
 *
 * Its preStop hook, under HAPROXY_UID in the host's network, connects to `address` and `port`. The
 * forward's rules see that packet, whether anything listens or not, and take all new connections
 * for `forwardSeconds`. The hook ends after `waitSeconds`, then kubelet stops HAProxy.
 *
 * A probe of another pod cannot do the same: kubelet connects as root.
 *
 * 1.5 s covers any TCP handshake in flight, including one SYN-ACK retransmission after 1 s. A hung
 * HAProxy is killed 3 s after its last probe: 1 s for the hook, then kubelet's minimum grace of 2 s.
 */
export const PRE_STOP_HANDOVER = {
  address: "127.0.64.44",
  // discard: nothing listens there
  port: 9,
  waitSeconds: 1.5,
  forwardSeconds: 5,
} as const;

/** User and group of the updater on a load-balancer host; HAProxy's user is in this group. */
export const UPDATER_USER = PRODUCT;

/** The host's own address as its services read it; only root writes there. A reboot empties it. */
const HOST_ADDRESS_DIR = `/run/${PRODUCT}-address`;

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
  /** The host's own address as services and systemd read it; only root writes there. */
  readonly addressDir: string;
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
    addressDir: `${HOST_ADDRESS_DIR}/${lbPort}`,
    runDir: `/run/${PRODUCT}/${lbPort}`,
    updaterDir: `${HOST_UPDATER_DIR}/${lbPort}`,
  };
}
