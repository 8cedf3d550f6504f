import { readFileSync } from "node:fs";
import path from "node:path";
import type { ClusterConnection } from "../components/cluster/cluster-api";
import { currentContext, decodeField, type Stanza } from "../host/kubeadm/kubeconfig";

/**
 * The connection of a kubeconfig's current context.
 *
 * @returns undefined when its credentials are not in the file: a command, a proxy, a missing file
 */
export function connectionOf(text: string): ClusterConnection | undefined {
  const { cluster, user } = currentContext(text);
  const server = textOf(cluster, "server");
  if (server === undefined || user?.["exec"] !== undefined) return undefined;
  if (user?.["auth-provider"] !== undefined || cluster?.["proxy-url"] !== undefined) {
    return undefined;
  }
  try {
    return defined({
      server,
      ca: material(cluster, "certificate-authority"),
      cert: material(user, "client-certificate"),
      key: material(user, "client-key"),
      token: textOf(user, "token") ?? fileOf(user, "tokenFile")?.trim(),
      serverName: textOf(cluster, "tls-server-name"),
      insecure: cluster?.["insecure-skip-tls-verify"] === true ? true : undefined,
    });
  } catch {
    return undefined;
  }
}

/** `NAME-data`, or the content of the file `NAME`. */
function material(stanza: Stanza | undefined, name: string): string | undefined {
  return decodeField(stanza, `${name}-data`) ?? fileOf(stanza, name);
}

function fileOf(stanza: Stanza | undefined, name: string): string | undefined {
  const file = textOf(stanza, name);
  return file === undefined ? undefined : readFileSync(path.resolve(file), "utf8");
}

function textOf(stanza: Stanza | undefined, name: string): string | undefined {
  const value = stanza?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined),
  ) as never;
}
