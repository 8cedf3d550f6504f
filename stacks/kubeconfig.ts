import { parse } from "yaml";

/** Data of a cluster or user in a kubeconfig, e.g. `certificate-authority-data`. */
export type Stanza = Readonly<Record<string, unknown>>;

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly {
    readonly name?: string;
    readonly context?: { readonly cluster?: string; readonly user?: string };
  }[];
  readonly clusters?: readonly { readonly name?: string; readonly cluster?: Stanza }[];
  readonly users?: readonly { readonly name?: string; readonly user?: Stanza }[];
}

/**
 * Cluster and user of a kubeconfig's current context. Without a valid context, an only cluster
 * counts as the current one. Both are undefined when the text is no kubeconfig.
 */
export function currentContext(text: string): { cluster?: Stanza; user?: Stanza } {
  let config: Kubeconfig | null;
  try {
    config = parse(text) as Kubeconfig | null;
  } catch {
    return {};
  }
  if (typeof config !== "object" || config === null) return {};
  const context = config.contexts?.find(({ name }) => name === config["current-context"])?.context;
  const cluster =
    config.clusters?.find(({ name }) => name === context?.cluster) ??
    (config.clusters?.length === 1 ? config.clusters[0] : undefined);
  const user = config.users?.find(({ name }) => name === context?.user);
  return { cluster: cluster?.cluster, user: user?.user };
}

/** Decodes a base64 field of a stanza; undefined if it is missing. */
export function decodeField(stanza: Stanza | undefined, name: string): string | undefined {
  const value = stanza?.[name];
  return typeof value === "string" ? Buffer.from(value, "base64").toString("utf8") : undefined;
}

/**
 * PEM of the CA of a kubeconfig's current cluster; undefined when the text holds none, or is no
 * kubeconfig.
 */
export function caOfKubeconfig(text: string): string | undefined {
  const pem = decodeField(currentContext(text).cluster, "certificate-authority-data");
  return pem?.includes("-----BEGIN CERTIFICATE-----") === true ? pem : undefined;
}
