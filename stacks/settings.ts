import type { HaproxyChecks, HaproxyTimeouts } from "../haproxy/config";
import type { ForwardKind } from "../host/forward/forward-settings";
import type { OwnAddress } from "../host/own-address";
import type { KubeadmFragments } from "../host/kubeadm/kubeadm-settings";
import type { TokenDelivery } from "../host/service/updater-part";
import type { SshTarget } from "../components/ssh/ssh-target";
import type { DiscoveryMode } from "../updater/settings";
import { conflicts } from "./conflicts";
import type { Resources } from "./fields";
import { canonicalAddress } from "../haproxy/address";
import { validationErrorsOf, SettingsError, type ValidationError } from "./validation";
import { nodeName, nodeSchema, schema, type Parsed } from "./schema";
import { readTargets, type Environment } from "./ssh-targets";

export { SettingsError, type ValidationError } from "./validation";

/** A control-plane node, or a host of HAProxy. */
export interface NodeSettings {
  readonly name: string;
  /** Address inside the cluster, canonical. */
  readonly address: string;
  /** How the program reaches it. SECRET in parts. */
  readonly ssh: SshTarget;
  /** Raised by the operator for a host that was reprovisioned: its scripts run again. */
  readonly generation: number;
  /** Gone for good: no command runs there any more, also not when it is removed. */
  readonly lost: boolean;
}

/** What the operator wants, checked and complete. */
export interface Settings {
  readonly topology: "daemonset" | "external";
  /** Where the updater learns the backends from. */
  readonly discovery: DiscoveryMode;
  /** kubeadm: the program makes and extends the cluster; none: it exists, and `kubeconfig` is given. */
  readonly bootstrap: "kubeadm" | "none";
  readonly clusterName?: string;
  /** The control-plane endpoint. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Sorted by name, m2 before m10. */
  readonly nodes: readonly NodeSettings[];
  /** Hosts of HAProxy in topology external; sorted like the nodes. Empty: the control-plane nodes themselves. */
  readonly loadBalancers: readonly NodeSettings[];
  readonly ports: { readonly lb: number; readonly api: number; readonly health: number };
  /** CIDRs that may use the LB port; empty: everybody. */
  readonly allow: readonly string[];
  readonly ownAddress: OwnAddress;
  readonly forward: { readonly kind: ForwardKind };
  readonly kubeadm: {
    readonly kubernetesVersion?: string;
    readonly certSANs: readonly string[];
    readonly ignorePreflightErrors: readonly string[];
    readonly skipPhases: readonly string[];
    readonly fragments: KubeadmFragments;
    /** `kubeadm reset` when everything is destroyed. */
    readonly resetOnDestroy: boolean;
  };
  /** sidecar: an updater beside HAProxy; mounted: HAProxy's own container takes haproxy.cfg from the mounted ConfigMap. */
  readonly daemonset: { readonly variant: "sidecar" | "mounted" };
  readonly haproxy: {
    readonly image: string;
    readonly resources: Resources;
    /** Topology external: a haproxy.cfg of somebody else is put aside instead of refused. */
    readonly takeOver: boolean;
    readonly maxConnections: number;
    readonly timeouts: HaproxyTimeouts;
    readonly checks: HaproxyChecks;
  };
  readonly updater: {
    readonly image: string;
    readonly resources: Resources;
    readonly drainSeconds: number;
    readonly retainSeconds: number;
    /** haproxy.cfg is checked by a copy of HAProxy's own binary. */
    readonly checkConfig: boolean;
  };
  /** The updater's token outside of the cluster. */
  readonly token: { readonly generation: number; readonly delivery: TokenDelivery };
  readonly imagePullSecrets: readonly string[];
  /** SECRET. There with bootstrap none. */
  readonly kubeconfig?: string;
}

/**
 * Reads the whole configuration.
 *
 * @param get the value of a key: objects and lists as such, nothing where it is not set
 * @param names the keys that are set, so that unknown ones are found. Default: only known keys are asked for
 * @param surroundings files and environment that the configuration refers to
 * @throws SettingsError with every mistake that was found
 */
export function readSettings(
  get: (key: string) => unknown,
  names: readonly string[] = [],
  environment?: Environment,
): Settings {
  const validationErrors: ValidationError[] = unknownKeys(names);
  const parsed: Partial<Record<string, unknown>> = {};
  for (const [key, part] of Object.entries(schema)) {
    const value = emptyAsMissing(get(key));
    const result = part.safeParse(value);
    if (result.success) parsed[key] = result.data;
    else validationErrors.push(...validationErrorsOf(key, value, result.error));
  }
  const nodes = readNodes("nodes", get("nodes"), validationErrors);
  const given = emptyAsMissing(get("loadBalancers"));
  const none = given === undefined || JSON.stringify(given) === "{}";
  const loadBalancers = none ? {} : readNodes("loadBalancers", given, validationErrors);
  const known = { ...parsed, nodes, loadBalancers } as Partial<Parsed> & MachinesOf<Parsed>;
  const targets = readTargets(known, validationErrors, environment);
  validationErrors.push(...conflicts(known));
  if (validationErrors.length > 0) throw new SettingsError(validationErrors);
  return assemble(known as Parsed, targets);
}

function unknownKeys(names: readonly string[]): ValidationError[] {
  const known = [...Object.keys(schema), "nodes", "loadBalancers"];
  return names
    .filter((name) => !known.includes(name))
    .map((path) => ({ path, message: `unknown key; known here: ${known.join(", ")}` }));
}

// an empty text is how Pulumi's own schema writes "no value"
function emptyAsMissing(value: unknown): unknown {
  return value === "" || value === null ? undefined : value;
}

const EXPECTED = {
  nodes:
    'an object with the control-plane nodes by name, like { "m1": { "address": "10.0.0.11" } }',
  loadBalancers:
    'an object with the hosts of HAProxy by name, like { "lb1": { "address": "10.0.0.21" } }; without the key they are the control-plane nodes',
} as const;

type MachinesOf<P> = Pick<P & Parsed, "nodes" | "loadBalancers">;

/** Each node by itself, so that one bad entry hides nothing of the others. */
function readNodes(
  key: keyof typeof EXPECTED,
  value: unknown,
  validationErrors: ValidationError[],
): Parsed["nodes"] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const message =
      emptyAsMissing(value) === undefined ? "missing" : `got ${JSON.stringify(value)}`;
    validationErrors.push({ path: key, message: `${message}: expected ${EXPECTED[key]}` });
    return {};
  }
  const nodes: Record<string, Parsed["nodes"][string]> = {};
  for (const [name, entry] of Object.entries(value)) {
    const [good, node] = [nodeName.safeParse(name), nodeSchema.safeParse(entry)];
    if (!good.success)
      validationErrors.push(...validationErrorsOf(`${key}.${name}`, name, good.error));
    if (!node.success)
      validationErrors.push(...validationErrorsOf(`${key}.${name}`, entry, node.error));
    if (good.success && node.success) nodes[name] = node.data;
  }
  if (Object.keys(value).length === 0) {
    validationErrors.push({ path: key, message: `got {}, expected ${EXPECTED[key]}` });
  }
  return nodes;
}

function assemble(parsed: Parsed, targets: ReadonlyMap<string, SshTarget>): Settings {
  const { nodes, loadBalancers, ports, ownAddress, kubeadm, kubeconfig, clusterName, ...rest } =
    parsed;
  const { resetOnDestroy, certSANs, ignorePreflightErrors, skipPhases, kubernetesVersion } =
    kubeadm;
  const fragments: KubeadmFragments = defined({
    clusterConfiguration: kubeadm.clusterConfiguration,
    initConfiguration: kubeadm.initConfiguration,
    joinConfiguration: kubeadm.joinConfiguration,
    kubeletConfiguration: kubeadm.kubeletConfiguration,
    kubeProxyConfiguration: kubeadm.kubeProxyConfiguration,
  });
  return {
    ...rest,
    ...defined({ kubeconfig, clusterName }),
    ports: { lb: parsed.endpoint.port, ...ports },
    ownAddress: ownAddressOf(ownAddress),
    kubeadm: {
      ...defined({ kubernetesVersion }),
      certSANs,
      ignorePreflightErrors,
      skipPhases,
      fragments,
      resetOnDestroy,
    },
    nodes: machines(nodes, targets),
    loadBalancers: machines(loadBalancers, targets),
  };
}

function machines(nodes: Parsed["nodes"], targets: ReadonlyMap<string, SshTarget>): NodeSettings[] {
  return Object.entries(nodes)
    .sort(([a], [b]) => byName(a, b))
    .map(([name, node]) => ({
      name,
      address: canonicalAddress(node.address),
      ssh: targets.get(name) as SshTarget,
      generation: node.generation,
      lost: node.lost,
    }));
}

function ownAddressOf({ interface: name, subnet }: Parsed["ownAddress"]): OwnAddress {
  if (name !== undefined) return { from: "interface", interface: name };
  return subnet === undefined ? { from: "route" } : { from: "subnet", subnet };
}

// Pulumi sorts the keys of a map by bytes, which puts m10 before m2
function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true }) || (a < b ? -1 : 1);
}

/** Without the keys that have no value. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined),
  ) as never;
}

/** The hosts on which HAProxy runs. */
export function loadBalancersOf(
  settings: Pick<Settings, "topology" | "nodes" | "loadBalancers">,
): readonly NodeSettings[] {
  const own = settings.topology === "external" && settings.loadBalancers.length > 0;
  return own ? settings.loadBalancers : settings.nodes;
}
