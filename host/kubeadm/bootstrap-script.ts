import {
  BACKENDS_CONFIG_MAP,
  HAPROXY_UID,
  HOST_STATE_DIR,
  KUBEADM_UNIT,
  CONTROL_PLANE_NODES_ANNOTATION,
  NAMESPACE,
  PRODUCT,
  TUNNEL_UNIT,
} from "../../names";
import { hostPort } from "../../haproxy/address";
import { hostScript, quote } from "../shell";
import { criSocket, initConfig, joinConfig } from "./kubeadm-config";
import { library, printer, variables } from "./shell-library";
import type { ClusterNode, KubeadmSettings } from "./kubeadm-settings";
import { readJoinCredentials } from "./join-credentials";

/** What {@link bootstrapScript} is made from. */
export interface BootstrapOptions {
  readonly settings: KubeadmSettings;
  readonly node: ClusterNode;
  /** The other control-plane nodes of the configuration. */
  readonly others: readonly ClusterNode[];
  /** May this host make the cluster when there is none? True for one node only. */
  readonly initNode: boolean;
  /** Lines printed by `ticketScript` on other control-plane nodes; SECRET. `""` and `"absent"` mean that the control-plane node had no cluster. */
  readonly tickets: readonly string[];
  /** Raised by the operator for a host that was reprovisioned: the text changes, so `up` runs it again. */
  readonly generation: number;
  /** Runs `kubeadm reset` when the whole configuration is destroyed. */
  readonly resetOnRemove: boolean;
  /** Seconds for which load balancers keep connections to a control-plane node whose key is out; a leaving one waits until they are over. @default 10 */
  readonly drainSeconds?: number;
}

/** Load balancers hear that a key is out within a second, and look each second whether a drain is over. */
const CUT_WITHIN_SECONDS = 2;

/** Seconds that `kubectl drain` of a leaving control-plane node may take. */
const DRAIN_DEADLINE_SECONDS = 300;

/** Files of a running script, secrets among them: memory, root only, gone when it ends. */
const RUN_DIR = `/run/${PRODUCT}-kubeadm`;

function addressInUrl(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** Values that both verbs use. */
export function header(options: BootstrapOptions): string {
  const { settings, node } = options;
  const { host, port } = settings.endpoint;
  const others = options.others.map(({ name, address }) => `${name} ${addressInUrl(address)}\n`);
  return [
    variables({
      NODE: node.name,
      ADDRESS_URL: addressInUrl(node.address),
      OWN_API: hostPort(node.address, settings.apiPort),
      API_PORT: settings.apiPort,
      ENDPOINT: hostPort(host, port),
      CRI_SOCKET: criSocket(settings) ?? "",
      STATE: HOST_STATE_DIR,
      RUN: RUN_DIR,
      KUBEADM_UNIT,
    }),
    printer("others", others.join("")),
  ].join("");
}

/** Values and texts that only `apply` uses. */
export function applyHeader(options: BootstrapOptions): string {
  const { settings, node } = options;
  const read = readJoinCredentials(options.tickets);
  const tickets = "validationError" in read ? [] : read.tickets;
  const lines = tickets.map(
    (ticket) => `${ticket.token} ${ticket.caCertHashes[0] ?? ""} ${ticket.certificateKey}\n`,
  );
  const ca = Buffer.from(tickets[0]?.caCert ?? "", "base64").toString("utf8");
  return [
    variables({
      TUNNEL_UNIT,
      HAPROXY_UID,
      LB_PORT: settings.endpoint.port,
      ENDPOINT_HOST: settings.endpoint.host,
      HEAD: options.initNode,
      GENERATION: options.generation,
    }),
    `check_tickets() { ${"validationError" in read ? `fail ${quote(read.validationError)}` : ":"}; }\n`,
    printer("tickets", lines.join("")),
    printer("ticket_ca", ca),
    printer("init_config", initConfig(settings, node)),
    printer("join_config", joinConfig(settings, node)),
  ].join("");
}

/** Values that only `remove` uses. */
function removeHeader(options: BootstrapOptions): string {
  return variables({
    TUNNEL_UNIT,
    NAMESPACE,
    BACKENDS: BACKENDS_CONFIG_MAP,
    CONTROL_PLANE_NODES_ANNOTATION,
    RESET_ON_REMOVE: options.resetOnRemove,
    DRAIN_SECONDS: (options.drainSeconds ?? 10) + CUT_WITHIN_SECONDS,
    DRAIN_DEADLINE: DRAIN_DEADLINE_SECONDS,
  });
}

/**
 * The script that makes a host a control-plane node, and takes it out again. It holds the join credentials: SECRET as a whole.
 *
 * `apply` does nothing on a control-plane node that serves. A blank host joins when another control-plane node gave join credentials; the head makes the cluster when
 * there is no join credentials and nobody answers at the endpoint or on another control-plane node; any other blank host is an error. What an interrupted
 * kubeadm left is finished or cleared, and only that: a completed control-plane node is never reset. It ends when the host's own API server is ready.
 *
 * `remove` asks the cluster: when the ConfigMap `haproxy-backends` is gone (the whole configuration is destroyed), or still names this
 * control-plane node, the host stays as it is, or is reset where `resetOnRemove` says so; when it names other control-plane nodes only, this one leaves: refused
 * without quorum, drained, etcd member removed, Node deleted, reset. A host without a cluster is left alone.
 *
 * The host needs kubeadm, kubelet, kubectl, curl, systemd; for a head that joins again while it is the endpoint also socat and setpriv.
 */
export function bootstrapScript(options: BootstrapOptions): string {
  const common = library("common", "unit", "etcd", "partial-reset");
  return hostScript(
    `${options.node.name}-bootstrap`,
    {
      apply: [
        header(options),
        applyHeader(options),
        common,
        library("init", "join", "bootstrap"),
        "bootstrap",
      ].join("\n"),
      remove: [
        header(options),
        removeHeader(options),
        common,
        library("leave"),
        "remove_master",
      ].join("\n"),
    },
    { generation: options.generation },
  );
}
