import { parse } from "yaml";

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly {
    readonly name?: string;
    readonly context?: { readonly cluster?: string };
  }[];
  readonly clusters?: readonly {
    readonly name?: string;
    readonly cluster?: { readonly "certificate-authority-data"?: string };
  }[];
}

/**
 * PEM of the CA of a kubeconfig's current cluster; undefined when the text holds none, or is no
 * kubeconfig.
 */
export function caOfKubeconfig(text: string): string | undefined {
  let config: Kubeconfig | null;
  try {
    config = parse(text) as Kubeconfig | null;
  } catch {
    return undefined;
  }
  if (typeof config !== "object" || config === null) return undefined;
  const current = config.contexts?.find(({ name }) => name === config["current-context"]);
  const cluster =
    config.clusters?.find(({ name }) => name === current?.context?.cluster) ??
    (config.clusters?.length === 1 ? config.clusters[0] : undefined);
  const data = cluster?.cluster?.["certificate-authority-data"];
  if (data === undefined) return undefined;
  const pem = Buffer.from(data, "base64").toString("utf8");
  return pem.includes("-----BEGIN CERTIFICATE-----") ? pem : undefined;
}
