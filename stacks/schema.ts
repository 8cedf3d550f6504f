import { z } from "zod";
import { DEFAULT_PORTS } from "../names";
import { DISCOVERY_MODES } from "../updater/settings";
import { address, cidr, dnsName, host, keys, list, oneOf, port, text, whole } from "./fields";
import { haproxy, updater } from "./schema-haproxy";
import { kubeadm } from "./schema-kubeadm";
import { nodeName, nodeSchema, ssh } from "./schema-machines";
import { virtualIp } from "./schema-virtual-ip";

// The one home of the configuration: shape, defaults and descriptions. `npm run generate` writes
// Pulumi.yaml's config block, the tables of docs/configuration.md and config.schema.json from it.

const TOPOLOGIES = ["daemonset", "external"] as const;

/** Where HAProxy runs: as pods on the control-plane nodes, or as a systemd service. */
export type Topology = (typeof TOPOLOGIES)[number];

/**
 * Every key of the configuration but `nodes` and `loadBalancers`, whose entries are read one by one
 * (with `nodeSchema`).
 */
export const schema = {
  topology: oneOf(TOPOLOGIES)
    .default("daemonset")
    .describe(
      "`daemonset`: HAProxy as pods on the control-plane nodes. `external`: HAProxy as a systemd service, on the control-plane nodes or on dedicated load-balancer hosts (`loadBalancers`). [Changing it](operations.md#change-the-topology) takes a `destroy`.",
    ),
  discovery: oneOf(DISCOVERY_MODES)
    .default("configMap")
    .describe(
      "[Where the updater finds the backends](discovery.md). `configMap`: in the ConfigMap `haproxy-backends`, one key per control-plane node. `endpoints`: in the EndpointSlice that the API servers keep. `both`: in both.",
    ),
  bootstrap: oneOf(["kubeadm", "none"])
    .default("kubeadm")
    .describe(
      "`kubeadm`: make the cluster and join new control-plane nodes. `none`: the cluster exists; give its `kubeconfig`, and neither `clusterName` nor `kubeadm`.",
    ),
  clusterName: text(
    "letters, digits, '-' and '.'; at most 63",
    /^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/,
  )
    .optional()
    .describe("Name of the cluster. Default: kubeadm's own, `kubernetes`."),
  endpoint: keys({
    host: host().describe(
      "DNS name or IP address, of one or several load-balancer hosts or of `addresses`. Every machine must resolve a name to nothing else.",
    ),
    port: port()
      .default(DEFAULT_PORTS.lb)
      .describe(
        "The LB port. Where HAProxy runs on control-plane nodes, no port that Kubernetes or etcd use there; dedicated load-balancer hosts may use 6443. With topology `daemonset` 1024 or higher.",
      ),
    addresses: list(address(), "IP addresses").describe(
      "Further addresses of the endpoint that [something else provides](operations.md#an-address-of-your-own): a virtual IP by keepalived or kube-vip, a hardware load balancer. HAProxy binds them on every load-balancer host, whether the host has them or not; they stand in the API servers' certificates.",
    ),
  }).describe("The control-plane endpoint."),
  virtualIp,
  ssh,
  ports: keys({
    api: port().default(DEFAULT_PORTS.api).describe("Port of the API servers."),
    health: port()
      .default(DEFAULT_PORTS.health)
      .describe(
        "HAProxy's health and metrics, and the updater's behind them. With topology `daemonset` 1024 or higher.",
      ),
  })
    .prefault({})
    .describe("Ports beside the LB port, on every machine."),
  allow: list(cidr(), "CIDRs").describe(
    "CIDRs that may use the LB port and the health port; the control-plane nodes must be among them. Empty: all.",
  ),
  ownAddress: keys({
    interface: text("the name of a network interface", /^[A-Za-z0-9_.@-]{1,15}$/)
      .optional()
      .describe(
        "A host takes the first address of this interface as its own. Default: the source of the default route, as in kubeadm.",
      ),
    subnet: cidr().optional().describe("The same with the first address inside this CIDR."),
  })
    .prefault({})
    .describe("Which of its addresses a host takes as its own, found when the unit starts."),
  forward: keys({
    kind: oneOf(["nftables", "iptables", "socat"])
      .default("nftables")
      .describe(
        "`nftables`, `iptables` or `socat`; see [the comparison](how-it-works.md#kinds-of-the-forward).",
      ),
  })
    .prefault({})
    .describe("How the LB port leads to the host's own API server while HAProxy does not listen."),
  kubeadm,
  daemonset: keys({
    variant: oneOf(["sidecar", "mounted"])
      .default("sidecar")
      .describe(
        "`sidecar`: an updater beside HAProxy; a change arrives within milliseconds. `mounted`: no updater and no API credential in the pods; a change takes about a minute and a reload, and `discovery` must be `configMap`. [Comparison](how-it-works.md#variant-mounted-no-updater-no-credential).",
      ),
  })
    .prefault({})
    .describe("How a change of the backends reaches the pods."),
  haproxy,
  updater,
  token: keys({
    generation: whole(1, 1_000_000)
      .default(1)
      .describe("Raise it to [rotate the token](operations.md#rotate-the-updaters-token)."),
    delivery: oneOf(["environment", "file"])
      .default("environment")
      .describe(
        "`environment`: an `EnvironmentFile=` that root alone reads; a new token restarts the updater, not HAProxy. `file`: `/etc/control-plane-lb/LB-PORT/token`, which the updater reads for each connection.",
      ),
  })
    .prefault({})
    .describe("The updater's long-lived token outside the cluster."),
  imagePullSecrets: list(
    dnsName("the name of a Secret in kube-system"),
    "names of Secrets in kube-system",
  ).describe("Names of Secrets in kube-system with which kubelet pulls the images."),
  kubeconfig: text("a kubeconfig (its text, or a path)").optional().meta({
    description:
      "With bootstrap `none`: an administrator's kubeconfig, as its text or as the path of a file. Topology `external` needs the cluster's CA in it.",
    secret: true,
  }),
} as const;

/** The whole configuration, for documentation and editors. */
export const configuration = z.strictObject({
  ...schema,
  nodes: z
    .record(nodeName, nodeSchema)
    .describe(
      "The control-plane nodes by the names of their Node objects, 1 to 9. On the first day the first by name makes the cluster; later none is special.",
    ),
  loadBalancers: z
    .record(nodeName, nodeSchema)
    .prefault({})
    .describe(
      "Dedicated load-balancer hosts by name, with the same keys as `nodes`. Default: HAProxy runs on the control-plane nodes. Changes go to one host at a time; the next follows when HAProxy is healthy there.",
    ),
});

/** Keys whose value is a text, not JSON. */
export const TEXT_KEYS: ReadonlySet<string> = new Set([
  "topology",
  "discovery",
  "bootstrap",
  "clusterName",
  "kubeconfig",
]);

/** The configuration as parsed: key by key. */
export type Parsed = z.output<typeof configuration>;
