import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { isObject, type Properties } from "../../wire";

/** Address and credentials of an API server. */
export interface Target {
  /** e.g. https://10.0.0.1:6443 */
  readonly server: string;
  readonly ca?: string;
  readonly serverName?: string;
  readonly insecure: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** Namespace of the context. */
  readonly namespace?: string;
}

/** Settings of the provider that override the kubeconfig. */
export interface Overrides {
  readonly context?: string;
  readonly cluster?: string;
}

/** Reads a kubeconfig from a path or its contents. Empty means $KUBECONFIG or ~/.kube/config. */
export function readKubeconfig(pathOrContents: string): {
  readonly config: Properties;
  readonly folder: string;
} {
  const home = homedir();
  const given =
    pathOrContents === ""
      ? (process.env.KUBECONFIG?.split(":")[0] ?? join(home, ".kube", "config"))
      : pathOrContents.replace(/^~(?=\/|$)/, home);
  const isPath = !given.includes("\n") && existsSync(given);
  const config: unknown = parse(isPath ? readFileSync(given, "utf8") : given);
  if (!isObject(config)) throw new Error("failed to parse kubeconfig: it is no kubeconfig");
  return { config, folder: isPath ? dirname(resolve(given)) : process.cwd() };
}

/** The stanza of the cluster in use; undefined if there is none. */
export function activeCluster(config: Properties, overrides: Overrides): Properties | undefined {
  const name = overrides.cluster ?? activeContext(config, overrides)?.cluster;
  return entry(config, "clusters", name, "cluster");
}

function activeContext(config: Properties, overrides: Overrides): Properties | undefined {
  return entry(config, "contexts", overrides.context ?? config["current-context"], "context");
}

/**
 * @throws if the kubeconfig names no cluster, or a kind of user that the stand-in does not support
 */
export function targetOf(pathOrContents: string, overrides: Overrides): Target {
  const { config, folder } = readKubeconfig(pathOrContents);
  const context = activeContext(config, overrides);
  const cluster = activeCluster(config, overrides);
  if (cluster === undefined) {
    throw new Error("invalid configuration: no configuration has been provided");
  }
  const user = entry(config, "users", context?.user, "user") ?? {};
  if (user.exec !== undefined || user["auth-provider"] !== undefined) {
    throw new Error(
      "stand-in of the kubernetes provider: users with exec or auth-provider are not supported; " +
        "use a token or a client certificate, or the real provider",
    );
  }
  const text = (stanza: Properties, name: string) => {
    const data = stanza[`${name}-data`];
    if (typeof data === "string") return Buffer.from(data, "base64").toString();
    const file = stanza[name];
    return typeof file === "string" ? readFileSync(resolve(folder, file), "utf8") : undefined;
  };
  const tokenFile = user.tokenFile;
  return {
    server: String(cluster.server).replace(/\/$/, ""),
    ca: text(cluster, "certificate-authority"),
    serverName: optional(cluster["tls-server-name"]),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    cert: text(user, "client-certificate"),
    key: text(user, "client-key"),
    token:
      optional(user.token) ??
      (typeof tokenFile === "string" ? readFileSync(tokenFile, "utf8").trim() : undefined),
    namespace: optional(context?.namespace),
  };
}

function entry(
  config: Properties,
  list: string,
  name: unknown,
  key: string,
): Properties | undefined {
  const entries = config[list];
  if (!Array.isArray(entries)) return undefined;
  const found: unknown = entries.find((item) => isObject(item) && item.name === name);
  const value = isObject(found) ? found[key] : undefined;
  return isObject(value) ? value : undefined;
}

function optional(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
