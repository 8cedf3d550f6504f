import { z } from "zod";
import { HAPROXY_DEFAULTS } from "../haproxy/config";
import { DEFAULT_PORTS } from "../names";
import { DISCOVERY_MODES, UPDATER_DEFAULTS } from "../updater/settings";
import {
  address,
  cidr,
  flag,
  host,
  hostKey,
  image,
  isDnsName,
  keys,
  list,
  oneOf,
  port,
  resources,
  text,
  whole,
} from "./fields";

// What stands in Pulumi.yaml for each key is written there for operators; here is what is accepted.

/** The longest name of a node that is also a key of the ConfigMap and a label. */
const NODE_NAME = { longest: 63, expected: "a node name: a DNS name in lower case, at most 63" };

/** Name of a node: the key in `nodes`. */
export const nodeName = text(
  NODE_NAME.expected,
  (value) => value.length <= NODE_NAME.longest && isDnsName(value),
);

const hostKeys = { hostKey: hostKey().optional(), hostKeyFile: text("a path").optional() };

const credentials = {
  privateKey: text("a private key in PEM or OpenSSH format").optional(),
  privateKeyFile: text("a path").optional(),
  privateKeyPassword: text("a passphrase").optional(),
  agentSocketPath: text("a path").optional(),
};

/** One entry of `nodes`. */
export const nodeSchema = keys({
  address: address(),
  sshHost: host().optional(),
  sshPort: port().optional(),
  ...hostKeys,
  generation: whole(1, 1_000_000).default(1),
  lost: flag().default(false),
});

const milliseconds = (max: number) => whole(1, max, " (milliseconds)");

const haproxy = keys({
  image: image().default("docker.io/library/haproxy:3.0.11"),
  resources: resources({ requests: { cpu: "500m", memory: "64Mi" }, limits: {} }),
  takeOver: flag().default(false),
  maxConnections: whole(100, 1_000_000).default(HAPROXY_DEFAULTS.maxConnections),
  timeouts: keys({
    helloMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.timeouts.helloMs),
    connectMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.timeouts.connectMs),
    idleMs: milliseconds(7 * 86_400_000).default(HAPROXY_DEFAULTS.timeouts.idleMs),
    checkMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.timeouts.checkMs),
    queueMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.timeouts.queueMs),
    hardStopAfterMs: milliseconds(3_600_000).default(HAPROXY_DEFAULTS.timeouts.hardStopAfterMs),
  }).prefault({}),
  checks: keys({
    authentication: oneOf(["anonymous", "token"]).default(HAPROXY_DEFAULTS.checks.authentication),
    intervalMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.checks.intervalMs),
    fastIntervalMs: milliseconds(60_000).default(HAPROXY_DEFAULTS.checks.fastIntervalMs),
    rise: whole(1, 100).default(HAPROXY_DEFAULTS.checks.rise),
    fall: whole(1, 100).default(HAPROXY_DEFAULTS.checks.fall),
    slowStartMs: milliseconds(600_000).default(HAPROXY_DEFAULTS.checks.slowStartMs),
  }).prefault({}),
});

const updater = keys({
  image: image().default("docker.io/library/node:24-trixie-slim"),
  resources: resources({
    requests: { cpu: "50m", memory: "64Mi" },
    limits: { memory: "256Mi" },
  }),
  drainSeconds: whole(0, 3600, " (seconds)").default(UPDATER_DEFAULTS.drainSeconds),
  // below a minute, an API server that only restarts would be taken for a removed one: its lease is renewed each 10 s, and ends after 15 s
  retainSeconds: whole(0, 604_800, " (seconds)").default(UPDATER_DEFAULTS.retainSeconds),
  checkConfig: flag().default(true),
});

const dnsOrAddress = host();
const word = (what: string) => text(what, (value) => /^[A-Za-z0-9/_.-]+$/.test(value));
const fragment = () =>
  z.record(z.string(), z.unknown(), { error: "an object, as in kubeadm's documents" }).optional();

const kubeadm = keys({
  kubernetesVersion: text("a version like v1.35.4", (value) =>
    /^v[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]+)?$/.test(value),
  ).optional(),
  certSANs: list(dnsOrAddress, "addresses and DNS names"),
  ignorePreflightErrors: list(word("a check of kubeadm, or all"), "checks of kubeadm, or all"),
  skipPhases: list(word("a phase of kubeadm init"), "phases of kubeadm init"),
  clusterConfiguration: fragment(),
  initConfiguration: fragment(),
  joinConfiguration: fragment(),
  kubeletConfiguration: fragment(),
  kubeProxyConfiguration: fragment(),
  resetOnDestroy: flag().default(false),
});

/** Every key of the configuration but `nodes` and `loadBalancers`, whose entries are read one by one (with `nodeSchema`). */
export const schema = {
  topology: oneOf(["daemonset", "external"]).default("daemonset"),
  discovery: oneOf(DISCOVERY_MODES).default("configMap"),
  bootstrap: oneOf(["kubeadm", "none"]).default("kubeadm"),
  clusterName: text("letters, digits, '-' and '.'; at most 63", (value) =>
    /^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/.test(value),
  ).optional(),
  endpoint: keys({
    host: host(),
    port: whole(1024, 65535, " (HAProxy is no root)").default(DEFAULT_PORTS.lb),
  }),
  ssh: keys({
    user: text("a user's name", (value) => /^[a-z_][a-z0-9_.-]*$/i.test(value)).default("root"),
    port: port().default(22),
    ...hostKeys,
    ...credentials,
    bastion: keys({
      host: host(),
      port: port().default(22),
      user: text("a user's name").default("root"),
      ...hostKeys,
      ...credentials,
    }).optional(),
  }).prefault({}),
  ports: keys({
    api: port().default(DEFAULT_PORTS.api),
    health: whole(1024, 65535, " (HAProxy is no root)").default(DEFAULT_PORTS.health),
  }).prefault({}),
  allow: list(cidr(), "CIDRs"),
  ownAddress: keys({
    interface: text("the name of a network interface", (value) =>
      /^[A-Za-z0-9_.@-]{1,15}$/.test(value),
    ).optional(),
    subnet: cidr().optional(),
  }).prefault({}),
  forward: keys({ kind: oneOf(["nftables", "iptables", "socat"]).default("nftables") }).prefault(
    {},
  ),
  kubeadm: kubeadm.prefault({}),
  daemonset: keys({ variant: oneOf(["sidecar", "mounted"]).default("sidecar") }).prefault({}),
  haproxy: haproxy.prefault({}),
  updater: updater.prefault({}),
  token: keys({
    generation: whole(1, 1_000_000).default(1),
    delivery: oneOf(["environment", "file"]).default("environment"),
  }).prefault({}),
  imagePullSecrets: list(
    text("the name of a Secret in kube-system", isDnsName),
    "names of Secrets in kube-system",
  ),
  kubeconfig: text("a kubeconfig (its text, or a path)").optional(),
} as const;

/** Keys of the configuration. */
export type Key = keyof typeof schema | "nodes" | "loadBalancers";

/** Keys whose value is a text, not JSON. */
export const TEXT_KEYS: ReadonlySet<string> = new Set([
  "topology",
  "discovery",
  "bootstrap",
  "clusterName",
  "kubeconfig",
]);

/** The configuration as parsed: key by key. */
export type Parsed = { readonly [K in keyof typeof schema]: z.output<(typeof schema)[K]> } & {
  readonly nodes: Readonly<Record<string, z.output<typeof nodeSchema>>>;
  readonly loadBalancers: Readonly<Record<string, z.output<typeof nodeSchema>>>;
};
