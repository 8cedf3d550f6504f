import { configurationAdvice } from "../components/ssh/advice";
import { forwardPart } from "../host/forward/forward-part";
import { bootstrapScript, CLUSTER_SECONDS } from "../host/kubeadm/bootstrap-script";
import type { KubeadmAdvice } from "../host/kubeadm/kubeadm-advice";
import { OBJECTS_SECONDS, objectsScript } from "../host/kubeadm/objects-script";
import { sharedKeysScript } from "../host/kubeadm/shared-keys-script";
import { preflightScript } from "../host/preflight/preflight-script";
import { haproxyPart } from "../host/service/haproxy-part";
import { updaterPart } from "../host/service/updater-part";
import { tokenFetchPart } from "../host/service/token-fetch-part";
import { tokenPart } from "../host/service/token-part";
import { cloudConfig } from "../host/user-data/cloud-config";
import { firstBoot, type BootStep, type FirstBootPlan } from "../host/user-data/first-boot";
import { toYaml } from "../objects/manifest";
import { objectsPieces } from "./backends-pieces";
import { newClusterObjects } from "./cluster-objects";
import type { ClusterSecrets } from "./cluster-secrets";
import { endpointOf, forwardOf, kubeadmSettings, updaterServiceOf } from "./shared";
import { hasDedicatedHosts, type NodeSettings, type Settings } from "./settings";

/** What all machines of a stack have in common. */
export interface UserDataContext {
  /** As ORGANIZATION/PROJECT/STACK. */
  readonly stack: string;
  readonly settings: Settings;
  /** SECRET */
  readonly secrets: ClusterSecrets;
  /** The updater's bundle. */
  readonly updaterScript: string;
}

/** Seconds that the container runtime may take to start: cloud-init does not wait for it. */
export const RUNTIME_SECONDS = 60;

/** The preflight waits for the runtime, and for names. */
export const PREFLIGHT_SECONDS = 300;

/** Seconds for kubeadm itself, five joins with their resets included. */
const KUBEADM_SECONDS = 3600;

/** User data by the name of the machine: control-plane nodes and dedicated load-balancer hosts. SECRET */
export function userDataOf(context: UserDataContext): Record<string, string> {
  const { settings } = context;
  const dedicated = hasDedicatedHosts(settings) ? settings.loadBalancers : [];
  const plans = [
    ...live(settings.nodes).map((node) => controlPlaneNodePlan(node, context)),
    ...live(dedicated).map((host) => loadBalancerPlan(host, context)),
  ];
  return Object.fromEntries(
    plans.map((plan) => [
      plan.node,
      cloudConfig(firstBoot(plan), {
        hostname: plan.node,
        userConfig: settings.cloudInit.userConfig,
      }),
    ]),
  );
}

/** A first boot of a machine whose name is known. */
export type MachinePlan = FirstBootPlan & { readonly node: string };

/** The node that makes the cluster: none any more once the stack has a kubeconfig. */
function initNodeOf({ nodes, kubeconfig }: Settings): NodeSettings | undefined {
  return kubeconfig === undefined ? live(nodes)[0] : undefined;
}

/** What a control-plane node does on its first boot. */
export function controlPlaneNodePlan(node: NodeSettings, context: UserDataContext): MachinePlan {
  const { stack, settings, secrets } = context;
  const { name, address } = node;
  const others = live(settings.nodes).filter((other) => other !== node);
  const init = initNodeOf(settings) === node;
  const serves = settings.topology === "external" && !hasDedicatedHosts(settings);
  const kubeadm = bootstrapScript({
    settings: kubeadmSettings(settings),
    node: { name, address },
    others: others.map((other) => ({ name: other.name, address: other.address })),
    initNode: init,
    joinCredentials: [],
    shared: { caCert: secrets.caCert, joinToken: secrets.joinToken },
    generation: 1,
    resetOnRemove: false,
    drainSeconds: settings.updater.drainSeconds,
    advice: ADVICE,
  });
  return {
    stack,
    node: name,
    beforeKubeadm: [
      preflight(node, settings, true),
      ...(settings.topology === "daemonset"
        ? [{ name: "forward", part: forwardPart(forwardOf(settings)) }]
        : []),
      ...(serves ? serviceSteps(context) : []),
      step("keys", sharedKeysScript(name, secrets), 60),
      step("kubeadm", kubeadm, CLUSTER_SECONDS + KUBEADM_SECONDS),
    ],
    afterKubeadm: [
      ...(init ? [objects(node, context)] : []),
      ...(serves ? [{ name: "token", part: tokenFetchPart(settings) }] : []),
    ],
  };
}

/** What a dedicated load-balancer host does on its first boot. */
export function loadBalancerPlan(host: NodeSettings, context: UserDataContext): MachinePlan {
  const { stack, settings, secrets } = context;
  const token = tokenPart({
    token: secrets.loadBalancerToken,
    delivery: settings.token.delivery,
    ports: settings.ports,
    // there is none yet
    awaitSync: false,
  });
  return {
    stack,
    node: host.name,
    beforeKubeadm: [
      preflight(host, settings, false),
      ...serviceSteps(context),
      { name: "token", part: token },
    ],
    afterKubeadm: [],
  };
}

/** Before any change: what could be in the way is named. */
function preflight(machine: NodeSettings, settings: Settings, controlPlaneNode: boolean): BootStep {
  const { name, address } = machine;
  const { topology, ports, ownAddress, allow, forward, haproxy } = settings;
  const serves = topology === "external" && controlPlaneNode !== hasDedicatedHosts(settings);
  const key = `${controlPlaneNode ? "nodes" : "loadBalancers"}.${name}`;
  const script = preflightScript({
    ...{ node: name, address, ports, ownAddress, allow, controlPlaneNode },
    endpoint: endpointOf(settings),
    ...(topology === "daemonset" ? { forward: forward.kind } : {}),
    ...(serves ? { service: { takeOver: haproxy.takeOver } } : {}),
    bootstrap: controlPlaneNode,
    runtimeSeconds: RUNTIME_SECONDS,
    advice: {
      ...configurationAdvice(key),
      address: `correct ${key}.address, or give this machine its own user data`,
    },
  });
  return step("preflight", script, PREFLIGHT_SECONDS);
}

/** HAProxy and its updater, which writes HAProxy's first configuration. */
export function serviceSteps({
  settings,
  secrets,
  updaterScript,
}: Pick<UserDataContext, "settings" | "updaterScript"> & {
  readonly secrets: Pick<ClusterSecrets, "caCert">;
}): BootStep[] {
  const { caCert } = secrets;
  const { ports, haproxy } = settings;
  const updater = updaterPart({ ...updaterServiceOf(settings, updaterScript), caCert });
  return [
    { name: "updater", part: updater },
    { name: "haproxy", part: haproxyPart({ ports, takeOver: haproxy.takeOver }) },
  ];
}

function objects({ name, address }: NodeSettings, context: UserDataContext): BootStep {
  const { stack, settings, secrets } = context;
  const { loadBalancerToken } = secrets;
  const all = toYaml(newClusterObjects(settings, { stack, loadBalancerToken }));
  const script = objectsScript({
    node: { name, address },
    apiPort: settings.ports.api,
    pieces: objectsPieces(stack, all, settings),
  });
  return step("objects", script, OBJECTS_SECONDS);
}

/** The whole user data is one secret: in one file, its scripts share what they have in common. */
function step(name: string, script: string, deadlineSeconds: number): BootStep {
  return { name, script, secret: false, deadlineSeconds };
}

function live(machines: readonly NodeSettings[]): NodeSettings[] {
  return machines.filter(({ lost }) => !lost);
}

/** What operators do next, who have given this user data to machines. */
const ADVICE: KubeadmAdvice = {
  joinCredentials:
    "render the user data of this machine again (npm run render) and provision the machine with it",
  excludeNode: "do not give this user data to it",
  restoreBackends: "run `pulumi up` with the cluster's kubeconfig",
  newCluster:
    "run `pulumi destroy`, then `pulumi up`, for user data of a new cluster, and provision all machines with that",
  endCluster: "delete the ConfigMap haproxy-backends in kube-system, then remove this node",
};
