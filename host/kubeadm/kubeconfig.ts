import { X509Certificate } from "node:crypto";
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

/** When the client certificate of a kubeconfig's current user expires; undefined without one. */
export function expiryOfKubeconfig(text: string): Date | undefined {
  const pem = decodeField(currentContext(text).user, "client-certificate-data");
  if (pem === undefined) return undefined;
  try {
    return new Date(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}

const DAY_MS = 86_400_000;

/** kubeadm's certificates are valid for a year, and `kubeadm upgrade` renews them. */
export const EXPIRES_SOON_DAYS = 60;

/** Whole days from now; negative: it has passed. */
export function daysUntil(expires: Date, now: Date): number {
  return Math.floor((expires.getTime() - now.getTime()) / DAY_MS);
}

/** Days until the client certificate expires if these are less than 60, else undefined. */
export function expiresSoon(text: string, now: Date): number | undefined {
  const expires = expiryOfKubeconfig(text);
  if (expires === undefined) return undefined;
  const days = daysUntil(expires, now);
  return days < EXPIRES_SOON_DAYS ? days : undefined;
}
