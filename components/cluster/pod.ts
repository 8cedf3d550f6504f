import type { types } from "@pulumi/kubernetes";
import { BACKENDS_CONFIG_MAP, HAPROXY_UID, UPDATER_CONFIG_MAP, WORKLOAD } from "../../names";
import { PATHS, UPDATER_SCRIPT, UPDATER_SETTINGS, type PodSettings } from "./updater-config";

type Container = types.input.core.v1.Container;
type PodSpec = types.input.core.v1.PodSpec;
type VolumeMount = types.input.core.v1.VolumeMount;

/** CPU and memory of a container. */
export interface ContainerResources {
  readonly requests: { readonly cpu?: string | undefined; readonly memory?: string | undefined };
  readonly limits: { readonly cpu?: string | undefined; readonly memory?: string | undefined };
}

/** What operators choose of the pods. */
export interface PodArgs {
  readonly settings: PodSettings;
  readonly haproxyImage: string;
  readonly haproxyResources: ContainerResources;
  /** An image with Node.js 18 or later. */
  readonly updaterImage: string;
  readonly updaterResources: ContainerResources;
  readonly imagePullSecrets: readonly string[];
}

/** Seconds beyond HAProxy's own deadline until the kubelet kills a pod that is stopped. */
const GRACE_SECONDS = 20;

const MOUNTS = {
  updater: { name: "updater", mountPath: PATHS.updater, readOnly: true },
  config: { name: "config", mountPath: PATHS.config },
  run: { name: "run", mountPath: PATHS.run },
  seed: { name: "seed", mountPath: PATHS.seed, readOnly: true },
  ca: { name: "ca", mountPath: PATHS.ca, readOnly: true },
  token: { name: "token", mountPath: PATHS.token, readOnly: true },
} as const satisfies Record<string, VolumeMount>;

/** The pod of one master: its first configuration is prepared, then HAProxy and the updater run. */
export function podSpec(args: PodArgs): PodSpec {
  const { settings, imagePullSecrets } = args;
  return {
    hostNetwork: true,
    // the node's resolver: the cluster's may not be there yet, and we need none
    dnsPolicy: "Default",
    enableServiceLinks: false,
    serviceAccountName: WORKLOAD,
    automountServiceAccountToken: false,
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    nodeSelector: { "node-role.kubernetes.io/control-plane": "" },
    // a fresh cluster has no CNI, and a master in trouble needs its load balancer most
    tolerations: [{ operator: "Exists" }],
    priorityClassName: "system-node-critical",
    terminationGracePeriodSeconds:
      Math.ceil(settings.timeouts.hardStopAfterMs / 1000) + GRACE_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: HAPROXY_UID,
      runAsGroup: HAPROXY_UID,
      fsGroup: HAPROXY_UID,
      seccompProfile: { type: "RuntimeDefault" },
    },
    initContainers: [prepareContainer(args)],
    containers: [haproxyContainer(args), updaterContainer(args)],
    volumes: volumes(),
  };
}

/** The node's address, and what no container may do. */
function common(): Pick<Container, "env" | "securityContext"> {
  return {
    env: [{ name: "HOST_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}

function updaterCommand(word: "prepare" | "run"): string[] {
  return [
    "node",
    `${PATHS.updater}/${UPDATER_SCRIPT}`,
    word,
    `${PATHS.updater}/${UPDATER_SETTINGS}`,
  ];
}

function prepareContainer(args: PodArgs): Container {
  return {
    ...common(),
    name: "prepare",
    image: args.updaterImage,
    command: updaterCommand("prepare"),
    resources: resources(args.updaterResources),
    volumeMounts: [
      MOUNTS.updater,
      MOUNTS.config,
      MOUNTS.run,
      MOUNTS.seed,
      MOUNTS.ca,
      ...(args.settings.checks.authentication === "token" ? [MOUNTS.token] : []),
    ],
  };
}

function haproxyContainer(args: PodArgs): Container {
  const { settings } = args;
  // never through the LB port, where the forward answers for a dead HAProxy; and on the address that it listens on
  const httpGet = { path: "/healthz", port: settings.healthPort, scheme: "HTTP" };
  return {
    ...common(),
    name: "haproxy",
    image: args.haproxyImage,
    // prettier-ignore
    command: ["haproxy", "-W", "-db", "-S", `${PATHS.run}/master.sock`, "-f", `${PATHS.config}/haproxy.cfg`],
    ports: [
      { name: "endpoint", containerPort: settings.port, hostPort: settings.port, protocol: "TCP" },
      {
        name: "health",
        containerPort: settings.healthPort,
        hostPort: settings.healthPort,
        protocol: "TCP",
      },
    ],
    resources: resources(args.haproxyResources),
    startupProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 60 },
    readinessProbe: { httpGet, periodSeconds: 2, timeoutSeconds: 1, failureThreshold: 2 },
    // A hung HAProxy holds its port: 2 failures of 1 s, then SIGKILL after 1 s, as a stopped process ignores all else. The forward takes
    // over after 4-5 s; a third failure made it 5.8 s. A wrong verdict costs little: the forward serves until HAProxy is back
    livenessProbe: {
      httpGet,
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 2,
      terminationGracePeriodSeconds: 1,
    },
    volumeMounts: [MOUNTS.config, MOUNTS.run, MOUNTS.ca],
  };
}

function updaterContainer(args: PodArgs): Container {
  return {
    ...common(),
    name: "updater",
    image: args.updaterImage,
    command: updaterCommand("run"),
    resources: resources(args.updaterResources),
    volumeMounts: Object.values(MOUNTS),
  };
}

function volumes(): NonNullable<PodSpec["volumes"]> {
  return [
    { name: "updater", configMap: { name: UPDATER_CONFIG_MAP } },
    // on disk: the last good configuration outlives a power cut
    { name: "config", emptyDir: {} },
    { name: "run", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
    // optional: without it, the last good configuration counts
    { name: "seed", configMap: { name: BACKENDS_CONFIG_MAP, optional: true } },
    {
      name: "ca",
      configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] },
    },
    {
      name: "token",
      projected: {
        sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3600 } }],
      },
    },
  ];
}

/** Nothing stands for nothing: the API drops an empty object, and every later preview would show it as a change. */
function resources({ requests, limits }: ContainerResources): Container["resources"] {
  const given = Object.entries({ requests: amounts(requests), limits: amounts(limits) });
  return Object.fromEntries(given.filter(([, each]) => Object.keys(each).length > 0));
}

function amounts(given: ContainerResources["requests"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
