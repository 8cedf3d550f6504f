/** HAProxy on every control-plane node, in the host's network. */
import { createHash } from "node:crypto";
import { NAMESPACE, POD_LABELS, TEMPLATE_ANNOTATION, UPDATER_CONFIG_MAP, WORKLOAD } from "../names";
import { mountedPod } from "../pod/mounted-pod";
import type { PodArgs, PodSpec } from "../pod/pod";
import { sidecarPod, type UpdaterArgs } from "../pod/sidecar-pod";
import { podUpdaterSettings, UPDATER_SCRIPT, UPDATER_SETTINGS } from "../pod/updater-config";
import type { UpdaterChoices } from "../updater/settings";
import type { Manifest } from "./manifest";

/** HAProxy's pods. */
export interface DaemonSetArgs extends PodArgs {
  /**
   * The updater beside HAProxy, with its script. Absent: the variant `mounted`, where HAProxy's own
   * container reads changes.
   */
  readonly updater?: UpdaterArgs & { readonly script: string };
}

/**
 * A new pod counts for a roll when all its containers have been ready for so long: an updater that
 * ends soon after its first sync does not reach the next node.
 */
export const MIN_READY_SECONDS = 5;

/** HAProxy's DaemonSet; with an updater, also the ConfigMap that its pods mount. */
export function haproxyObjects(args: DaemonSetArgs) {
  const { updater, settings } = args;
  if (updater === undefined) return { daemonSet: daemonSetOf(mountedPod(args)) };
  const config = updaterConfigMap(settings, updater);
  return {
    updaterConfig: config,
    daemonSet: daemonSetOf(sidecarPod(args, updater, config.metadata.name)),
  };
}

/**
 * The ConfigMap with the updater's script and settings. Its content never changes: another content
 * is another ConfigMap under another name, and so another pod template.
 */
function updaterConfigMap(
  settings: UpdaterChoices,
  { script, checkConfig, ownBackend }: NonNullable<DaemonSetArgs["updater"]>,
) {
  const data = {
    [UPDATER_SCRIPT]: script,
    [UPDATER_SETTINGS]: `${JSON.stringify(podUpdaterSettings(settings, checkConfig, ownBackend), undefined, 2)}\n`,
  };
  const name = `${UPDATER_CONFIG_MAP}-${checksum(data).slice(0, 10)}`;
  return {
    apiVersion: "v1" as const,
    kind: "ConfigMap" as const,
    metadata: { name, namespace: NAMESPACE, labels: POD_LABELS },
    immutable: true,
    data,
  } satisfies Manifest;
}

function daemonSetOf(pod: PodSpec) {
  const template = checksum({ pod: JSON.stringify(pod) });
  return {
    apiVersion: "apps/v1" as const,
    kind: "DaemonSet" as const,
    metadata: { name: WORKLOAD, namespace: NAMESPACE, labels: POD_LABELS },
    spec: {
      selector: { matchLabels: POD_LABELS },
      minReadySeconds: MIN_READY_SECONDS,
      // host network: two pods cannot share the ports of a node
      updateStrategy: {
        type: "RollingUpdate",
        rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
      },
      template: {
        metadata: { labels: POD_LABELS, annotations: { [TEMPLATE_ANNOTATION]: template } },
        spec: pod,
      },
    },
  } satisfies Manifest;
}

function checksum(data: Readonly<Record<string, string>>): string {
  return createHash("sha256").update(JSON.stringify(data)).digest("hex");
}
