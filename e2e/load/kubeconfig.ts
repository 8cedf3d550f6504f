import { parse } from "yaml";

/** Credentials of an API client, as PEM; a token may replace the client certificate. */
export interface Credentials {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

interface Kubeconfig {
  "current-context"?: string;
  contexts?: { name: string; context: { cluster: string; user: string } }[];
  clusters?: { name: string; cluster: Record<string, string> }[];
  users?: { name: string; user: Record<string, string> }[];
}

/**
 * Reads the current context of a kubeconfig with embedded credentials, as kubeadm writes it.
 * @throws Error that names what is missing, never a value
 */
export function readCredentials(kubeconfig: string): Credentials {
  const config = parse(kubeconfig) as Kubeconfig | null;
  const context = config?.contexts?.find((entry) => entry.name === config["current-context"]);
  const cluster = config?.clusters?.find((entry) => entry.name === context?.context.cluster);
  const user = config?.users?.find((entry) => entry.name === context?.context.user);
  const decode = (value: string | undefined) =>
    value === undefined ? undefined : Buffer.from(value, "base64").toString();
  const ca = decode(cluster?.cluster["certificate-authority-data"]);
  const cert = decode(user?.user["client-certificate-data"]);
  const key = decode(user?.user["client-key-data"]);
  const token = user?.user["token"];
  if (ca === undefined) {
    throw new Error("kubeconfig: the current context has no certificate-authority-data");
  }
  if (token === undefined && (cert === undefined || key === undefined)) {
    throw new Error(
      "kubeconfig: the current context's user has neither a token nor client-certificate-data and client-key-data",
    );
  }
  return { ca, cert, key, token };
}
