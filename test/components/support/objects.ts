/** What the specs read from the recorded objects of a cluster. */
import assert from "node:assert/strict";
import type { Recorded, Recording } from "../../../pulumi-test-utils/src/index";
import type { UpdaterSettings } from "../../../updater/settings";

export const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
export const PATCH = "kubernetes:core/v1:ConfigMapPatch";
export const PROVIDER = "pulumi:providers:kubernetes";
const DAEMON_SET = "kubernetes:apps/v1:DaemonSet";

export interface Container extends Record<string, unknown> {
  readonly name: string;
  readonly image: string;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

export interface Pod extends Record<string, unknown> {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

/** The DaemonSet, and the pod that it makes. */
export function daemonSetOf(recording: Recording<unknown>): {
  readonly daemonSet: Recorded;
  readonly annotations: unknown;
  readonly pod: Pod;
} {
  const daemonSet = recording.find(DAEMON_SET, "haproxy-daemon-set");
  const { template } = daemonSet.inputs["spec"] as {
    template: { metadata: { annotations?: unknown }; spec: Pod };
  };
  return { daemonSet, annotations: template.metadata.annotations, pod: template.spec };
}

/** Containers in the order in which they start. */
export function containersOf(pod: Pod): readonly Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers];
}

export function container(pod: Pod, name: string): Container {
  const found = containersOf(pod).find((each) => each.name === name);
  assert.ok(found, `container ${name}`);
  return found;
}

/** Names of the containers that mount a volume. */
export function holdersOf(pod: Pod, volume: string): string[] {
  return containersOf(pod)
    .filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === volume))
    .map(({ name }) => name);
}

/** settings.json of the updater in the pods. */
export function settingsOf(recording: Recording<unknown>): UpdaterSettings {
  return JSON.parse(updaterFiles(recording)["settings.json"] ?? "") as UpdaterSettings;
}

/** The ConfigMap with the updater's script and settings. */
export function updaterFiles(recording: Recording<unknown>): Readonly<Record<string, string>> {
  return updaterConfigMap(recording).inputs["data"] as Record<string, string>;
}

/** The same as a resource. */
export function updaterConfigMap(recording: Recording<unknown>): Recorded {
  const found = recording.resources.find(({ name }) => name.startsWith("haproxy-updater-"));
  assert.ok(found, "the updater's ConfigMap");
  return found;
}

/** haproxy.cfg of the variant `mounted`. */
export function mountedConfigOf(recording: Recording<unknown>): string {
  const { data } = recording.find(PATCH, "backends-haproxy.cfg").inputs;
  return (data as Record<string, string>)["haproxy.cfg"] ?? "";
}

/** Inputs of all objects in the cluster, as text, by name. */
export function inputsOf(recording: Recording<unknown>): ReadonlyMap<string, string> {
  return new Map(
    recording.resources
      .filter(({ type }) => type.startsWith("kubernetes:"))
      .map(({ name, inputs }) => [name, JSON.stringify(inputs)]),
  );
}

/** Names of the objects whose inputs differ. */
export function changedObjects(first: Recording<unknown>, second: Recording<unknown>): string[] {
  const [a, b] = [inputsOf(first), inputsOf(second)];
  return [...a.keys()].filter((name) => a.get(name) !== b.get(name));
}

export function metadata(resource: Recorded): Readonly<Record<string, unknown>> {
  return resource.inputs["metadata"] as Record<string, unknown>;
}
