import { currentContext, decodeField } from "../../host/kubeadm/kubeconfig";

/** Credentials of an API client, as PEM; a token may replace the client certificate. */
export interface Credentials {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

/**
 * Reads the current context of a kubeconfig with embedded credentials, as kubeadm writes it.
 * @throws Error that names what is missing, never a value
 */
export function readCredentials(kubeconfig: string): Credentials {
  const { cluster, user } = currentContext(kubeconfig);
  const ca = decodeField(cluster, "certificate-authority-data");
  const cert = decodeField(user, "client-certificate-data");
  const key = decodeField(user, "client-key-data");
  const token = typeof user?.["token"] === "string" ? user["token"] : undefined;
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
