import { equal, isObject, plain, UNKNOWN, type Properties } from "../../wire";
import { activeCluster, readKubeconfig } from "./kubeconfig";

const CLUSTER_KEYS = ["kubeconfig", "context", "cluster"];
const IDENTIFIER = "clusterIdentifier";

/**
 * Compares two configurations. For another cluster, the provider and all its resources are
 * replaced.
 */
export function diffConfig(
  oldsWithSecrets: Properties,
  newsWithSecrets: Properties,
): { diffs: string[]; replaces: string[] } {
  const olds = plain(oldsWithSecrets) as Properties;
  const news = plain(newsWithSecrets) as Properties;
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
    (key) => key !== "version",
  );
  const diffs = keys.filter((key) => !equal(olds[key], news[key]));
  if (diffs.length === 0) return { diffs: [], replaces: [] };
  const [before, after] = [olds[IDENTIFIER], news[IDENTIFIER]];
  if (after !== undefined && after === before) return { diffs, replaces: [] };
  const replaces = before !== undefined && after !== undefined ? [IDENTIFIER] : [];
  const unknown = CLUSTER_KEYS.filter((key) => news[key] === UNKNOWN);
  if (unknown.length > 0) return { diffs, replaces: [...replaces, ...unknown] };
  if (diffs.includes("renderYamlToDirectory")) replaces.push("renderYamlToDirectory");
  const [oldCluster, newCluster] = [clusterOf(olds), clusterOf(news)];
  const moved =
    oldCluster !== undefined && newCluster !== undefined && !equal(oldCluster, newCluster);
  if (moved) replaces.push(...CLUSTER_KEYS.filter((key) => diffs.includes(key)));
  return { diffs, replaces };
}

function clusterOf(config: Properties): Properties | undefined {
  const { kubeconfig, context, cluster } = config;
  if (kubeconfig === undefined) return undefined;
  const text = typeof kubeconfig === "string" ? kubeconfig : JSON.stringify(kubeconfig);
  const overrides = {
    ...(typeof context === "string" ? { context } : {}),
    ...(typeof cluster === "string" ? { cluster } : {}),
  };
  const found = activeCluster(readKubeconfig(text).config, overrides);
  return isObject(found) ? found : undefined;
}
