import { createHash } from "node:crypto";
import type { KubeadmSettings } from "./kubeadm-settings";

/**
 * What kubeadm reads only when it makes the cluster, by key in the configuration; undefined is not
 * set. Later nodes take it from the cluster, and nodes that serve keep what they have.
 */
function initSettings(settings: KubeadmSettings): Readonly<Record<string, unknown>> {
  const { certSANs, clusterName, fragments } = settings;
  const { clusterConfiguration, initConfiguration } = fragments;
  const { kubeletConfiguration, kubeProxyConfiguration } = fragments;
  return {
    clusterName,
    "kubeadm.certSANs": certSANs.length > 0 ? [...certSANs].sort() : undefined,
    "kubeadm.clusterConfiguration": clusterConfiguration,
    "kubeadm.initConfiguration": initConfiguration,
    "kubeadm.kubeletConfiguration": kubeletConfiguration,
    "kubeadm.kubeProxyConfiguration": kubeProxyConfiguration,
  };
}

const START = "# read when the cluster is made:";

/** A short hash of each setting that is set, by its key. */
export function initSettingsHashes(settings: KubeadmSettings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(initSettings(settings)).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, hash(value)] as const],
    ),
  );
}

/** The same as a comment line of the bootstrap. */
export function initSettingsComment(settings: KubeadmSettings): string {
  const words = Object.entries(initSettingsHashes(settings)).map(
    ([key, value]) => `${key}=${value}`,
  );
  return `${[START, ...words].join(" ")}\n`;
}

/** Keys of the settings in which the bootstraps of a made node differ; none if one has no comment. */
export function changedInitSettings(before: string, after: string): string[] {
  const [former, next] = [commentOf(before), commentOf(after)];
  if (former === undefined || next === undefined) return [];
  return [...new Set([...former.keys(), ...next.keys()])].filter(
    (key) => former.get(key) !== next.get(key),
  );
}

function commentOf(script: string): ReadonlyMap<string, string> | undefined {
  const line = script.split("\n").find((each) => each.startsWith(START));
  if (line === undefined) return undefined;
  const words = line.slice(START.length).split(" ").filter(Boolean);
  return new Map(words.map((word) => word.split("=") as [string, string]));
}

function hash(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(value)))
    .digest("hex")
    .slice(0, 16);
}

/** With the keys of all objects in order: their order in the configuration has no meaning. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
