import type { HaproxyChecks, HaproxyTimeouts } from "../haproxy/config";
import type { ForwardKind } from "../host/forward/forward-settings";
import type { OwnAddress } from "../host/own-address";
import type { KubeadmFragments } from "../host/kubeadm/kubeadm-settings";
import type { TokenDelivery } from "../host/service/updater-part";
import type { SshTarget } from "../components/ssh/ssh-target";
import type { DiscoveryMode, UpdaterTuning } from "../updater/settings";
import { assemble } from "./assemble";
import { conflicts } from "./conflicts";
import type { ContainerResources } from "../pod/pod";
import {
  ConfigurationError,
  expectedAt,
  keyName,
  schemaErrors,
  show,
  type ValidationError,
} from "./validation";
import { schema, type Parsed, type Topology } from "./schema";
import { nodeName, nodeSchema } from "./schema-machines";
import { readKubeconfig } from "./kubeconfig-file";
import { OF_THIS_PROCESS, readTargets, type Environment } from "./ssh-targets";

export { ConfigurationError } from "./validation";
export type { Topology } from "./schema";

/** A control-plane node, or a load-balancer host. */
export interface NodeSettings {
  readonly name: string;
  /** Address inside the cluster, canonical. */
  readonly address: string;
  /** How the program reaches it. SECRET in parts. */
  readonly ssh: SshTarget;
  /** The operator raises it after reprovisioning the host: its scripts run again. */
  readonly generation: number;
  /** Gone for good: no command runs there any more, not even on removal. */
  readonly lost: boolean;
  /** Off for repair: it stays a member, and its scripts run again when it is back. */
  readonly away: boolean;
}

/** The virtual IP as configured. */
export interface VirtualIpChoice {
  /** Canonical. */
  readonly address: string;
  readonly interface?: string;
  readonly routerId?: number;
  /** Canonical; load-balancer hosts that the configuration does not name. */
  readonly peers: readonly string[];
}

/** The configuration, validated and complete. Times are numbers, their unit is in the name. */
export interface Settings {
  readonly topology: Topology;
  /** Where the updater finds the backends. */
  readonly discovery: DiscoveryMode;
  /**
   * kubeadm: the program makes and extends the cluster; none: it exists, and `kubeconfig` is set.
   */
  readonly bootstrap: "kubeadm" | "none";
  readonly clusterName?: string;
  /** The control-plane endpoint. */
  readonly endpoint: {
    readonly host: string;
    readonly port: number;
    /**
     * Canonical; HAProxy binds them beside each load-balancer host's own address. The virtual IP is
     * one of them.
     */
    readonly addresses: readonly string[];
  };
  /** The address that one of the load-balancer hosts holds, by keepalived. */
  readonly virtualIp?: VirtualIpChoice;
  /** Sorted by name, m2 before m10. */
  readonly nodes: readonly NodeSettings[];
  /**
   * Dedicated load-balancer hosts of topology external; sorted like the nodes. Empty: the
   * control-plane nodes.
   */
  readonly loadBalancers: readonly NodeSettings[];
  readonly ports: { readonly lb: number; readonly api: number; readonly health: number };
  /** CIDRs that may use the LB port; empty: all. */
  readonly allow: readonly string[];
  readonly ownAddress: OwnAddress;
  readonly forward: { readonly kind: ForwardKind };
  readonly kubeadm: {
    readonly kubernetesVersion?: string;
    readonly certSANs: readonly string[];
    readonly ignorePreflightErrors: readonly string[];
    readonly skipPhases: readonly string[];
    readonly fragments: KubeadmFragments;
    /** `pulumi destroy` runs `kubeadm reset`. */
    readonly resetOnDestroy: boolean;
  };
  /**
   * sidecar: an updater beside HAProxy; mounted: HAProxy's container reads haproxy.cfg from the
   * mounted ConfigMap.
   */
  readonly daemonset: { readonly variant: "sidecar" | "mounted" };
  readonly haproxy: {
    readonly image: string;
    readonly resources: ContainerResources;
    /** Topology external: a foreign haproxy.cfg is put aside instead of refused. */
    readonly takeOver: boolean;
    readonly maxConnections: number;
    readonly maxConnectionsPerSource: number;
    readonly timeouts: HaproxyTimeouts;
    readonly checks: HaproxyChecks;
  };
  readonly updater: UpdaterTuning & {
    readonly image: string;
    readonly resources: ContainerResources;
    /** A copy of HAProxy's own binary checks haproxy.cfg. */
    readonly checkConfig: boolean;
  };
  /** The updater's token outside the cluster. */
  readonly token: { readonly generation: number; readonly delivery: TokenDelivery };
  readonly imagePullSecrets: readonly string[];
  /** SECRET. Set with bootstrap none. */
  readonly kubeconfig?: string;
}

/**
 * Reads the whole configuration.
 *
 * @param get the value of a key: objects and lists as such, undefined where it is not set
 * @param names the keys that are set, so that unknown ones are found. @default none
 * @param environment files and variables that the configuration refers to. @default this process's
 * @throws ConfigurationError with every error
 */
export function readSettings(
  get: (key: string) => unknown,
  names: readonly string[] = [],
  environment: Environment = OF_THIS_PROCESS,
): Settings {
  const errors: ValidationError[] = unknownKeys(names);
  const parsed: Partial<Record<string, unknown>> = {};
  for (const [key, part] of Object.entries(schema)) {
    const value = emptyAsMissing(get(key));
    const result = part.safeParse(value);
    if (result.success) parsed[key] = result.data;
    else errors.push(...schemaErrors(key, value, result.error));
  }
  if (typeof parsed["kubeconfig"] === "string" && parsed["bootstrap"] === "none") {
    parsed["kubeconfig"] = readKubeconfig(parsed["kubeconfig"], errors, environment);
  }
  const nodes = readMachines("nodes", get("nodes"), errors);
  const given = emptyAsMissing(get("loadBalancers"));
  const none = given === undefined || JSON.stringify(given) === "{}";
  const loadBalancers = none ? {} : readMachines("loadBalancers", given, errors);
  const known = { ...parsed, nodes, loadBalancers } as Partial<Parsed> & Machines;
  const targets = readTargets(known, errors, environment);
  errors.push(...conflicts(known));
  if (errors.length > 0) throw new ConfigurationError(errors);
  return assemble(known as Parsed, targets);
}

function unknownKeys(names: readonly string[]): ValidationError[] {
  const known = [...Object.keys(schema), "nodes", "loadBalancers"];
  return names
    .filter((name) => !known.includes(name))
    .map((name) => ({
      path: keyName(name),
      message: `unknown key; known here: ${known.join(", ")}`,
    }));
}

// an empty text is how Pulumi's own schema writes "no value"
function emptyAsMissing(value: unknown): unknown {
  return value === "" || value === null ? undefined : value;
}

const EXPECTED = {
  nodes:
    'an object with the control-plane nodes by name, like { "m1": { "address": "10.0.0.11" } }',
  loadBalancers:
    'an object with the load-balancer hosts by name, like { "lb1": { "address": "10.0.0.21" } }; without the key they are the control-plane nodes',
} as const;

type Machines = Pick<Parsed, "nodes" | "loadBalancers">;

/** Each machine by itself, so that one bad entry hides no error in the others. */
function readMachines(
  key: keyof typeof EXPECTED,
  value: unknown,
  errors: ValidationError[],
): Parsed["nodes"] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const given = emptyAsMissing(value);
    const seen = given === undefined ? "missing" : `got ${show(key, given)}`;
    errors.push({ path: key, message: `${seen}: expected ${EXPECTED[key]}` });
    return {};
  }
  const machines: Record<string, Parsed["nodes"][string]> = {};
  for (const [name, entry] of Object.entries(value)) {
    const path = `${key}.${keyName(name)}`;
    const [goodName, machine] = [nodeName.safeParse(name), nodeSchema.safeParse(entry)];
    if (!goodName.success) errors.push(...schemaErrors(path, name, goodName.error).slice(0, 1));
    if (!machine.success) errors.push(...schemaErrors(path, entry, machine.error));
    if (goodName.success && machine.success) machines[name] = machine.data;
  }
  if (Object.keys(value).length === 0) errors.push(expectedAt(key, {}, EXPECTED[key]));
  return machines;
}

/** The load-balancer hosts: where HAProxy runs. */
export function loadBalancersOf(
  settings: Pick<Settings, "topology" | "nodes" | "loadBalancers">,
): readonly NodeSettings[] {
  return hasDedicatedHosts(settings) ? settings.loadBalancers : settings.nodes;
}

/** Does HAProxy run on hosts that are no control-plane nodes? */
export function hasDedicatedHosts({
  topology,
  loadBalancers,
}: Pick<Settings, "topology" | "loadBalancers">): boolean {
  return topology === "external" && loadBalancers.length > 0;
}
