import { hostPort } from "../../haproxy/address";
import {
  API_SERVERS_SLICE,
  BACKENDS_CONFIG_MAP,
  CONTROL_PLANE_NODES_ANNOTATION,
  HAPROXY_UID,
  HOST_STATE_DIR,
  IN_USE_ANNOTATION,
  KUBEADM_UNIT,
  NAMESPACE,
  PRODUCT,
  TUNNEL_UNIT,
} from "../../names";
import { hostScript, quote } from "../shell";
import { initSettingsComment } from "./init-settings";
import { readJoinCredentials } from "./join-credentials";
import { DEFAULT_ADVICE, type KubeadmAdvice } from "./kubeadm-advice";
import { criSocket, initConfig, joinConfig } from "./kubeadm-config";
import { caCertHash } from "./shared-keys";
import { BOOTSTRAP_PART, type ClusterNode, type KubeadmSettings } from "./kubeadm-settings";
import { library, printer, variables } from "./shell-library";

/** How a host joins that has the cluster's keys. */
export interface SharedJoin {
  /** PEM of the cluster's CA. */
  readonly caCert: string;
  /** Bootstrap token, which the new cluster knows for good. SECRET */
  readonly joinToken: string;
}

/**
 * Seconds for which a host with the cluster's keys waits until the cluster answers: machines boot at
 * different times, and firmware of bare ones takes a while.
 */
export const CLUSTER_SECONDS = 2700;

/** Seconds from the API server's first answer until `kubeadm init` has published the token. */
const SHARED_TOKEN_SECONDS = 600;

/** Seconds within which a token that has just been created is published. */
const ISSUED_TOKEN_SECONDS = 60;

/** Options of {@link bootstrapScript}. */
export interface BootstrapOptions {
  readonly settings: KubeadmSettings;
  readonly node: ClusterNode;
  /** The cluster's other control-plane nodes. */
  readonly others: readonly ClusterNode[];
  /** May this host create the cluster when there is none? True for one node only. */
  readonly initNode: boolean;
  /**
   * Lines of `joinCredentialsScript` from other control-plane nodes. SECRET
   * `absent SECONDS` says that a node had no cluster at that time.
   */
  readonly joinCredentials: readonly string[];
  /**
   * The host has the cluster's keys (`sharedKeysScript`), and this is how it joins: nobody issues
   * join credentials. SECRET. Default: the lines of `joinCredentials`
   */
  readonly shared?: SharedJoin;
  /** Another number makes another text, which runs again: for a host that was reprovisioned. */
  readonly generation: number;
  /** Run `kubeadm reset` when the whole cluster is destroyed? */
  readonly resetOnRemove: boolean;
  /**
   * Seconds for which load balancers drain a removed backend: a leaving node waits for their end.
   * @default 10
   */
  readonly drainSeconds?: number;
  /** What operators do next, for messages. @default DEFAULT_ADVICE */
  readonly advice?: KubeadmAdvice;
}

/** Load balancers see a removed key within 1 s, and check each second whether a drain has ended. */
const DRAIN_DELAY_SECONDS = 2;

/** Seconds that `kubectl drain` of a leaving control-plane node may take. */
const DRAIN_DEADLINE_SECONDS = 300;

/** Files of a running script, secrets among them: in memory, for root alone, deleted at its end. */
const RUN_DIR = `/run/${PRODUCT}-kubeadm`;

/**
 * Seconds for which a node's answer that it has no cluster counts: between it and `kubeadm init`,
 * HAProxy is installed on one host after the other.
 */
const ABSENT_VALID_SECONDS = 3600;

const ETCD_CLIENT_PORT = 2379;
const ETCD_PEER_PORT = 2380;

/** Values that both verbs use. */
export function header({ settings, node, others }: BootstrapOptions): string {
  const { endpoint, apiPort } = settings;
  // NAME API ETCD LB, each but the name as HOST:PORT
  const lines = others.map(({ name, address }) => {
    const ports = [apiPort, ETCD_CLIENT_PORT, endpoint.port];
    return `${[name, ...ports.map((port) => hostPort(address, port))].join(" ")}\n`;
  });
  return [
    variables({
      NODE: node.name,
      OWN_API: hostPort(node.address, apiPort),
      OWN_ETCD: hostPort(node.address, ETCD_CLIENT_PORT),
      OWN_PEER: `https://${hostPort(node.address, ETCD_PEER_PORT)}`,
      ENDPOINT: hostPort(endpoint.host, endpoint.port),
      CRI_SOCKET: criSocket(settings) ?? "",
      STATE: HOST_STATE_DIR,
      RUN: RUN_DIR,
      KUBEADM_UNIT,
    }),
    printer("others", lines.join("")),
  ].join("");
}

/** Values and texts that only `apply` uses. */
export function applyHeader(options: BootstrapOptions): string {
  const { settings, node, shared, advice = DEFAULT_ADVICE } = options;
  const read = readJoinCredentials(options.joinCredentials, advice);
  const credentials = "error" in read ? [] : read.credentials;
  const lines = credentials.map(
    ({ token, caCertHashes, certificateKey }) =>
      `${token} ${caCertHashes[0] ?? ""} ${certificateKey}\n`,
  );
  const absentSince = "error" in read ? undefined : read.absentSince;
  const ca = Buffer.from(credentials[0]?.caCert ?? "", "base64").toString("utf8");
  return [
    variables({
      TUNNEL_UNIT,
      HAPROXY_UID,
      LB_PORT: settings.endpoint.port,
      ENDPOINT_HOST: settings.endpoint.host,
      INIT_NODE: options.initNode,
      SHARED_KEYS: shared !== undefined,
      ...(shared === undefined ? {} : { CLUSTER_SECONDS }),
      TOKEN_SECONDS: shared === undefined ? ISSUED_TOKEN_SECONDS : SHARED_TOKEN_SECONDS,
      // with shared keys several hosts join at once, and nobody comes back to try again
      JOIN_ATTEMPTS: shared === undefined ? 2 : 5,
      ABSENT_SINCE: absentSince ?? "",
      ABSENT_VALID: ABSENT_VALID_SECONDS,
      ADVICE_JOIN_CREDENTIALS: advice.joinCredentials,
      ADVICE_EXCLUDE_NODE: advice.excludeNode,
      ADVICE_NEW_CLUSTER: advice.newCluster,
    }),
    `check_join_credentials() { ${"error" in read ? `fail ${quote(read.error)}` : ":"}; }\n`,
    printer("join_credentials", shared === undefined ? lines.join("") : sharedLine(shared)),
    printer("cluster_ca", shared?.caCert ?? ca),
    printer("init_config", initConfig(settings, node, shared?.joinToken)),
    printer("join_config", joinConfig(settings, node, shared !== undefined)),
  ].join("");
}

/** TOKEN HASH of the shared join credentials; a certificate key is not needed. */
function sharedLine({ caCert, joinToken }: SharedJoin): string {
  return `${joinToken} ${caCertHash(caCert)}\n`;
}

/** Values that only `remove` uses. */
function removeHeader(options: BootstrapOptions): string {
  const { advice = DEFAULT_ADVICE, drainSeconds = 10 } = options;
  return variables({
    TUNNEL_UNIT,
    NAMESPACE,
    BACKENDS: BACKENDS_CONFIG_MAP,
    CONTROL_PLANE_NODES_ANNOTATION,
    IN_USE_ANNOTATION,
    OWN_ADDRESS: options.node.address,
    SLICE_NAMESPACE: API_SERVERS_SLICE.namespace,
    SLICE: API_SERVERS_SLICE.name,
    RESET_ON_REMOVE: options.resetOnRemove,
    DRAIN_SECONDS: drainSeconds + DRAIN_DELAY_SECONDS,
    DRAIN_DEADLINE: DRAIN_DEADLINE_SECONDS,
    ADVICE_RESTORE_BACKENDS: advice.restoreBackends,
    ADVICE_END_CLUSTER: advice.endCluster,
  });
}

/**
 * The script that makes a host a control-plane node, and removes it again. It holds the join
 * credentials: SECRET as a whole.
 *
 * `apply` ends when the host's own API server is ready, and changes nothing on a node that serves.
 * - A blank host with join credentials joins.
 * - A blank init node without them creates the cluster, unless the endpoint or another node
 *   answers, a node's answer that it has no cluster is older than an hour, or an earlier run has
 *   succeeded (`apply again`).
 * - Any other blank host is an error.
 * - With `shared`, a blank host waits for the cluster and joins; the init node creates the cluster
 *   where neither the endpoint nor another node answers.
 * - An interrupted kubeadm is finished or reset. A node on which kubeadm succeeded is never reset.
 *
 * `remove` decides by the list of control-plane nodes at the ConfigMap `haproxy-backends`.
 * - It lists this node and says that the cluster is in use: the host stays as it is.
 * - The ConfigMap is gone, or lists this node and does not say so: everything is being destroyed. The
 *   host stays as it is, or is reset if `resetOnRemove`.
 * - It lists other nodes only: this one leaves. It is drained, its API server stopped, its etcd
 *   member removed, its Node deleted, the host reset. Refused where etcd would lose its quorum.
 * - A host without a cluster is left alone. A control-plane node without admin.conf is an error.
 *
 * The host needs kubeadm, kubelet, kubectl, curl and systemd; an init node that joins again while
 * it is the endpoint also needs socat and setpriv.
 */
export function bootstrapScript(options: BootstrapOptions): string {
  const common = library("paths", "common", "unit", "etcd", "partial-reset");
  const joinOrCreate = options.shared === undefined ? [] : (["join-or-create"] as const);
  return hostScript(
    `${options.node.name}-bootstrap`,
    {
      apply: [
        initSettingsComment(options.settings),
        header(options),
        applyHeader(options),
        common,
        library("init", "join", ...joinOrCreate, "bootstrap"),
        'bootstrap "$@"',
      ].join("\n"),
      remove: [
        header(options),
        removeHeader(options),
        common,
        library("leave"),
        "remove_control_plane_node",
      ].join("\n"),
    },
    { generation: options.generation, part: { name: BOOTSTRAP_PART } },
  );
}
