import type { types } from "@pulumi/kubernetes";
import { BACKENDS_CONFIG_MAP, WORKLOAD } from "../names";
import { updaterArguments } from "../updater/command";
import { copyBinaryScript } from "./binary-script";
import {
  baseContainer,
  basePod,
  haproxyContainer,
  healthGet,
  MOUNTS,
  resources,
  VOLUMES,
  type Container,
  type ContainerResources,
  type PodArgs,
  type PodSpec,
  type Volume,
} from "./pod";
import { PATHS, UPDATER_SCRIPT, UPDATER_SETTINGS } from "./updater-config";

/** The updater's container. */
export interface UpdaterArgs {
  /** An image with Node.js 18 or later. */
  readonly image: string;
  readonly resources: ContainerResources;
  /** A copy of HAProxy's binary checks haproxy.cfg; the image needs a shell to make it. */
  readonly checkConfig: boolean;
  /** The node's own API server is a backend from the start. @default false */
  readonly ownBackend?: boolean;
}

const UPDATER_MOUNTS = {
  updater: { name: "updater", mountPath: PATHS.updater, readOnly: true },
  initialBackends: { name: "initial-backends", mountPath: PATHS.initialBackends, readOnly: true },
  token: { name: "token", mountPath: PATHS.token, readOnly: true },
  binary: { name: "binary", mountPath: PATHS.binary, readOnly: true },
} as const satisfies Record<string, types.input.core.v1.VolumeMount>;

/**
 * The pod with an updater. Init containers copy HAProxy's binary to where the updater can run it,
 * and prepare the first configuration; then HAProxy and the updater run.
 *
 * @param configMap name of the ConfigMap with the updater's script and settings
 */
export function sidecarPod(args: PodArgs, updater: UpdaterArgs, configMap: string): PodSpec {
  return {
    ...basePod(args),
    serviceAccountName: WORKLOAD,
    initContainers: [
      ...(updater.checkConfig ? [copyBinaryContainer(args, updater)] : []),
      prepareContainer(args, updater),
    ],
    containers: [
      haproxyContainer(args, {
        // prettier-ignore
        command: ["haproxy", "-W", "-db", "-S", `${PATHS.run}/master.sock`, "-f", `${PATHS.config}/haproxy.cfg`],
        volumeMounts: Object.values(MOUNTS),
      }),
      updaterContainer(args, updater),
    ],
    volumes: volumes(configMap),
  };
}

function copyBinaryContainer({ haproxyImage }: PodArgs, updater: UpdaterArgs): Container {
  return {
    ...baseContainer(),
    name: "copy-binary",
    image: haproxyImage,
    command: ["sh", "-c", copyBinaryScript(PATHS.binary)],
    resources: resources(updater.resources),
    volumeMounts: [{ name: "binary", mountPath: PATHS.binary }],
  };
}

function prepareContainer({ settings }: PodArgs, updater: UpdaterArgs): Container {
  const { binary, initialBackends, token, updater: script } = UPDATER_MOUNTS;
  return {
    ...baseContainer(),
    name: "prepare",
    image: updater.image,
    command: updaterCommand("prepare"),
    resources: resources(updater.resources),
    volumeMounts: [
      ...Object.values(MOUNTS),
      ...[script, initialBackends, binary],
      ...(settings.haproxy.checks.authentication === "token" ? [token] : []),
    ],
  };
}

/** An updater that ends or hangs is restarted alone: HAProxy's container runs on. */
function updaterContainer({ settings }: PodArgs, updater: UpdaterArgs): Container {
  return {
    ...baseContainer(),
    name: "updater",
    image: updater.image,
    command: updaterCommand("run"),
    resources: resources(updater.resources),
    // Not ready: a roll stops here. No Service selects the pods, so nobody loses traffic.
    readinessProbe: {
      httpGet: healthGet(settings, "/updater/ready"),
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
    // A minute: a restart of HAProxy, through which kubelet asks, must not restart the updater.
    livenessProbe: {
      httpGet: healthGet(settings, "/updater/live"),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    volumeMounts: [...Object.values(MOUNTS), ...Object.values(UPDATER_MOUNTS)],
  };
}

function updaterCommand(word: "prepare" | "run"): string[] {
  const at = (file: string) => `${PATHS.updater}/${file}`;
  return ["node", ...updaterArguments(at(UPDATER_SCRIPT), word, at(UPDATER_SETTINGS))];
}

function volumes(configMap: string): Volume[] {
  return [
    ...VOLUMES,
    { name: "updater", configMap: { name: configMap } },
    // Without the ConfigMap the last good configuration serves.
    { name: "initial-backends", configMap: { name: BACKENDS_CONFIG_MAP, optional: true } },
    { name: "binary", emptyDir: {} },
    {
      name: "token",
      projected: {
        sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3600 } }],
      },
    },
  ];
}
