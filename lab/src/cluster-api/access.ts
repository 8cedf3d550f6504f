import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { run } from "../../../tools/src/index";
import type { Lab } from "../lab";
import type { ApiAccess } from "./api";
import { portsOf } from "./programs";

/** Paths of a management cluster's files. */
export interface Files {
  /** Everything is in it, also data and logs. */
  readonly folder: string;
  readonly kubeconfig: string;
  /** Folder with tls.crt and tls.key, which the API server and all webhooks use. */
  readonly certificates: string;
  /** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file */
  readonly tokens: string;
}

/** The files of a lab's management cluster, whether they exist or not. */
export function filesOf(lab: Pick<Lab, "folder">): Files {
  const folder = join(lab.folder, "management-cluster");
  return {
    folder,
    kubeconfig: join(folder, "kubeconfig"),
    certificates: join(folder, "certificates"),
    tokens: join(folder, "tokens.csv"),
  };
}

/** How a lab's management cluster is reached. @throws when there is none */
export function accessOf(lab: Pick<Lab, "folder" | "index">): ApiAccess {
  const files = filesOf(lab);
  const [token = ""] = readFileSync(files.tokens, "utf8").split(",");
  return { port: portsOf(lab.index).api, certificate: certificateIn(files), token };
}

/** Makes the credentials of a new management cluster. */
export async function writeAccess(files: Files, port: number): Promise<void> {
  mkdirSync(files.certificates, { recursive: true, mode: 0o700 });
  await run([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-nodes", "-days", "3650", "-subj", "/CN=management-cluster"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", join(files.certificates, "tls.key")],
    ...["-out", join(files.certificates, "tls.crt")],
  ]);
  const token = randomBytes(16).toString("hex");
  const admin = `${token},admin,admin,system:masters\n`;
  writeFileSync(files.tokens, admin, { mode: 0o600 });
  writeFileSync(files.kubeconfig, kubeconfig(port, certificateIn(files), token), { mode: 0o600 });
}

function certificateIn({ certificates }: Files): string {
  return readFileSync(join(certificates, "tls.crt"), "utf8");
}

function kubeconfig(port: number, certificate: string, token: string): string {
  const name = "management";
  const ca = Buffer.from(certificate).toString("base64");
  const cluster = { server: `https://127.0.0.1:${port}`, "certificate-authority-data": ca };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
