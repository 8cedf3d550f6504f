import { createPrivateKey, X509Certificate } from "node:crypto";
import { parse, stringify } from "yaml";
import { hostPort } from "../../haproxy/address";

/** A control-plane endpoint. */
interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What kubeadm writes into a kubeconfig's entries; anything else may run or open something. */
const ENTRIES = {
  clusters: { key: "cluster", fields: ["server", "certificate-authority-data"] },
  contexts: { key: "context", fields: ["cluster", "user"] },
  users: { key: "user", fields: ["client-certificate-data", "client-key-data"] },
} as const;

const TOP = ["apiVersion", "kind", "preferences", "current-context", ...Object.keys(ENTRIES)];

type Fields = Readonly<Record<string, string>>;

/**
 * The administrator's kubeconfig, rebuilt from what a control-plane node has printed: the endpoint,
 * the cluster's CA, a client certificate and its key, and nothing else. A kubeconfig can name a
 * command to run, so a node must not hand on one of its own. The result is SECRET.
 *
 * @throws Error that names the key that is missing or not allowed, never a value
 */
export function adminKubeconfig(printed: string, endpoint: Endpoint): string {
  const config = record(read(printed), "the text");
  onlyFields(config, TOP, "");
  if (isFilled(config["preferences"])) refuse("preferences is not empty");
  const cluster = onlyEntry(config, "clusters");
  const context = onlyEntry(config, "contexts");
  const user = onlyEntry(config, "users");
  const server = `https://${hostPort(endpoint.host, endpoint.port)}`;
  if (cluster.fields["server"] !== server) refuse(`its server is not ${server}`);
  if (config["current-context"] !== context.name) refuse("current-context is not its context");
  if (context.fields["cluster"] !== cluster.name) refuse("its context names another cluster");
  if (context.fields["user"] !== user.name) refuse("its context names another user");
  certificate(cluster.fields, "certificate-authority-data");
  const client = certificate(user.fields, "client-certificate-data");
  if (!isKeyOf(client, decode(user.fields, "client-key-data"))) {
    refuse("client-key-data is not the key of client-certificate-data");
  }
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: cluster.name, cluster: cluster.fields }],
      contexts: [{ name: context.name, context: context.fields }],
      "current-context": context.name,
      users: [{ name: user.name, user: user.fields }],
    },
    { lineWidth: 0 },
  );
}

function refuse(reason: string): never {
  throw new Error(
    `the kubeconfig that a control-plane node has printed cannot be used: ${reason}. Compare its /etc/kubernetes/admin.conf with what kubeadm writes: one cluster with the endpoint and its CA, one user with a client certificate and its key`,
  );
}

function read(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 }) as unknown;
  } catch {
    return refuse("it is no YAML");
  }
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(`${what} is no object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function onlyFields(value: object, allowed: readonly string[], path: string): void {
  const other = Object.keys(value).find((key) => !allowed.includes(key));
  if (other !== undefined) refuse(`${path}${printable(other)} is not allowed in it`);
}

/** A key is text of the node too. */
function printable(key: string): string {
  return key.replaceAll(/[^\w.-]/g, "?").slice(0, 40);
}

function isFilled(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

/** The only entry of a list, with the text fields that it must have and no others. */
function onlyEntry(
  config: Readonly<Record<string, unknown>>,
  list: keyof typeof ENTRIES,
): { readonly name: string; readonly fields: Fields } {
  const { key, fields } = ENTRIES[list];
  const entries = config[list];
  if (!Array.isArray(entries) || entries.length !== 1) refuse(`it has not exactly one of ${list}`);
  const entry = record((entries as unknown[])[0], `the entry of ${list}`);
  onlyFields(entry, ["name", key], `${list}.`);
  const values = record(entry[key], `${list}.${key}`);
  onlyFields(values, fields, `${list}.${key}.`);
  const { name } = entry;
  if (typeof name !== "string") return refuse(`the entry of ${list} has no name`);
  for (const field of fields) {
    if (typeof values[field] !== "string") refuse(`${list}.${key}.${field} is missing`);
  }
  return { name, fields: values as Fields };
}

function decode(fields: Fields, name: string): string {
  return Buffer.from(fields[name] ?? "", "base64").toString("utf8");
}

function certificate(fields: Fields, name: string): X509Certificate {
  try {
    return new X509Certificate(decode(fields, name));
  } catch {
    return refuse(`${name} is no certificate`);
  }
}

function isKeyOf(client: X509Certificate, pem: string): boolean {
  try {
    return client.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}
