/** The names that the program, the updater, the host scripts and the operator meet: each is written here once. */

/** Label, prefix of units, files and objects, and the field manager of what the program owns. */
export const PRODUCT = "control-plane-lb";

/** Namespace of everything the program makes in a cluster. */
export const NAMESPACE = "kube-system";

/** ConfigMap with one key per control-plane node: `m1: "10.77.0.11:6443"`. */
export const BACKENDS_CONFIG_MAP = "haproxy-backends";

/** ConfigMap with the updater's bundled script and its settings, mounted into the pods. */
export const UPDATER_CONFIG_MAP = `${PRODUCT}-updater`;

/** Annotation of the backends ConfigMap: the control-plane nodes that the configuration names, as JSON array of names, sorted. A host that leaves reads it. */
export const CONTROL_PLANE_NODES_ANNOTATION = `${PRODUCT}/control-plane-nodes`;

/** The EndpointSlice that the API servers keep of themselves; the Service and the slice share the name. */
export const API_SERVERS_SLICE = { namespace: "default", name: "kubernetes" } as const;

/** ServiceAccount, Role, RoleBinding and DaemonSet share this name. */
export const WORKLOAD = PRODUCT;

/** Label of the pods. */
export const POD_LABELS = { "app.kubernetes.io/name": PRODUCT } as const;

/** Everything that the program keeps on a host for good: manifests of files, markers. */
export const HOST_STATE_DIR = `/var/lib/${PRODUCT}`;

/** Scripts that units on a host run. */
export const HOST_LIB_DIR = `/usr/local/lib/${PRODUCT}`;

/** Lock that every host script takes: two runs never change a host at once. Only root may enter its folder. */
export const HOST_LOCK = `/run/${PRODUCT}-host/lock`;

/** Where systemd looks for the administrator's units. */
export const UNIT_DIR = "/etc/systemd/system";

/** systemd unit of the forward. */
export const FORWARD_UNIT = `${PRODUCT}-forward.service`;

/** Transient unit in which kubeadm runs, so that a second run attaches to it. */
export const KUBEADM_UNIT = `${PRODUCT}-kubeadm.service`;

/** Transient unit of the tunnel by which a host that has the endpoint's address joins. */
export const TUNNEL_UNIT = `${PRODUCT}-endpoint.service`;

/** UID of HAProxy in the official image, and of the forward's fallback listener: only equal UIDs may share the port. */
export const HAPROXY_UID = 99;

/** Default ports (the design's contract). */
export const DEFAULT_PORTS = { lb: 6444, api: 6443, health: 6445 } as const;

/**
 * HAProxy's pre-stop handover: how a pod that is told to stop gives up the LB port of its control-plane node, so that no connection meets a port that is being
 * closed. Kubelet asks for `path` on `address` and the health port; the forward's rules see that question and take all new connections for
 * `forwardSeconds`; HAProxy answers after `waitMs`, and only then it is stopped. Nobody else may use this address.
 *
 * Numbers: in 1.5 s every handshake is over that HAProxy's port has begun, also one whose answer was lost and sent again after 1 s; a
 * HAProxy that hangs is killed 3 s after the question (1 s for the answer, then kubelet's least grace of 2 s).
 */
export const PRE_STOP_HANDOVER = {
  address: "127.0.64.44",
  path: "/prestop",
  waitMs: 1500,
  forwardSeconds: 5,
} as const;

/** systemd unit of HAProxy on a host outside of the cluster (topology `external`). */
export const HAPROXY_UNIT = `${PRODUCT}-haproxy.service`;

/** systemd unit of the updater on such a host. */
export const UPDATER_UNIT = `${PRODUCT}-updater.service`;

/** User and group of the updater on such a host; HAProxy has its own user and this group. */
export const UPDATER_USER = PRODUCT;

/** Settings, CA certificate and first backends on such a host; root writes there and nobody else. */
export const HOST_CONFIG_DIR = `/etc/${PRODUCT}`;

/** Sockets and the state of the servers on such a host: gone with a power cut. */
export const HOST_RUN_DIR = `/run/${PRODUCT}`;

/** What the updater keeps on such a host: haproxy.cfg and the last good backends. */
export const HOST_UPDATER_DIR = `/var/lib/${PRODUCT}-updater`;
