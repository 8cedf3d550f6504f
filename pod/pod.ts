import type { types } from "@pulumi/kubernetes";
import { CONTROL_PLANE_LABEL, HAPROXY_UID, HEALTH_ADDRESS } from "../names";
import type { UpdaterChoices } from "../updater/settings";
import { handoverScript } from "./handover-script";
import { PATHS } from "./updater-config";

export type Container = types.input.core.v1.Container;
export type PodSpec = types.input.core.v1.PodSpec;
export type Volume = NonNullable<Extract<PodSpec["volumes"], readonly unknown[]>>[number];
type VolumeMount = types.input.core.v1.VolumeMount;

/** CPU and memory of a container. */
export interface ContainerResources {
  readonly requests: { readonly cpu?: string | undefined; readonly memory?: string | undefined };
  readonly limits: { readonly cpu?: string | undefined; readonly memory?: string | undefined };
}

/** What operators choose, in both variants. */
export interface PodArgs {
  readonly settings: UpdaterChoices;
  /**
   * HAProxy's container runs `handoverScript` before it stops: a forward supports it, and the image
   * has a shell.
   */
  readonly preStopHandover: boolean;
  readonly haproxyImage: string;
  readonly haproxyResources: ContainerResources;
  readonly imagePullSecrets: readonly string[];
}

/** Kubelet kills a stopping pod this long after HAProxy's own deadline. */
const GRACE_SECONDS = 20;

/** Mounts of HAProxy and the updater, in both variants. */
export const MOUNTS = {
  config: { name: "config", mountPath: PATHS.config },
  run: { name: "run", mountPath: PATHS.run },
  ca: { name: "ca", mountPath: PATHS.ca, readOnly: true },
} as const satisfies Record<string, VolumeMount>;

/** The volumes behind MOUNTS. */
export const VOLUMES: Volume[] = [
  // On disk: the last good configuration outlives a power cut.
  { name: "config", emptyDir: {} },
  { name: "run", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
  {
    name: "ca",
    configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] },
  },
];

/** By the label alone: kubeadm gives it no value, other installers "true". */
const ON_CONTROL_PLANE_NODES = {
  requiredDuringSchedulingIgnoredDuringExecution: {
    nodeSelectorTerms: [{ matchExpressions: [{ key: CONTROL_PLANE_LABEL, operator: "Exists" }] }],
  },
};

/** The fields that both variants share; no credential. */
export function basePod({ settings, imagePullSecrets }: PodArgs): Omit<PodSpec, "containers"> {
  return {
    hostNetwork: true,
    // The node's resolver: the cluster's may not run yet, and no name is resolved.
    dnsPolicy: "Default",
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    affinity: { nodeAffinity: ON_CONTROL_PLANE_NODES },
    // A fresh cluster has no CNI, and a node in trouble needs its load balancer most.
    tolerations: [{ operator: "Exists" }],
    priorityClassName: "system-node-critical",
    terminationGracePeriodSeconds:
      Math.ceil(settings.haproxy.timeouts.hardStopAfterMs / 1000) + GRACE_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: HAPROXY_UID,
      runAsGroup: HAPROXY_UID,
      fsGroup: HAPROXY_UID,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** The node's address, and no privileges. */
export function baseContainer(): Pick<Container, "env" | "securityContext"> {
  return {
    env: [{ name: "HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}

/** A request to HAProxy's health port, which stands for HAProxy and for the updater behind it. */
export function healthGet({ haproxy }: UpdaterChoices, path: string) {
  // Never through the LB port: there the forward answers for a dead HAProxy. Never on the node's
  // address: there anybody may take all places.
  return { host: HEALTH_ADDRESS, path, port: haproxy.healthPort, scheme: "HTTP" };
}

/** HAProxy with ports and probes. After its pre-stop handover the image's SIGUSR1 stops it. */
export function haproxyContainer(
  args: PodArgs,
  variant: { readonly command: string[]; readonly volumeMounts: VolumeMount[] },
): Container {
  const { port, healthPort } = args.settings.haproxy;
  const httpGet = healthGet(args.settings, "/healthz");
  return {
    ...baseContainer(),
    name: "haproxy",
    image: args.haproxyImage,
    ...variant,
    ports: [
      { name: "endpoint", containerPort: port, hostPort: port, protocol: "TCP" },
      { name: "health", containerPort: healthPort, hostPort: healthPort, protocol: "TCP" },
    ],
    resources: resources(args.haproxyResources),
    ...(args.preStopHandover
      ? { lifecycle: { preStop: { exec: { command: ["sh", "-c", handoverScript()] } } } }
      : {}),
    startupProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 60 },
    readinessProbe: { httpGet, periodSeconds: 2, timeoutSeconds: 1, failureThreshold: 2 },
    // A hung HAProxy holds its port until SIGKILL, as a stopped process ignores other signals:
    // 2 failures of 1 s, then kubelet's least grace of 2 s. The forward takes over after 4-5 s (a
    // third failure made it 5.8 s); with the pre-stop handover at the verdict, after 2-3 s.
    // A wrong verdict costs little: the forward serves until HAProxy is back.
    livenessProbe: {
      httpGet,
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 2,
      terminationGracePeriodSeconds: 1,
    },
  };
}

/** Leaves out empty objects: the API drops them, and each later preview would show a change. */
export function resources({ requests, limits }: ContainerResources): Container["resources"] {
  const given = Object.entries({ requests: amounts(requests), limits: amounts(limits) });
  return Object.fromEntries(given.filter(([, each]) => Object.keys(each).length > 0));
}

function amounts(given: ContainerResources["requests"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
