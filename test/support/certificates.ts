import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

const made = new Map<number, Certificates>();

/**
 * A certificate authority of the tests with a server (localhost, kubernetes) and a client.
 *
 * @param days for which all of them are valid
 */
export function certificates(days = 365): Certificates {
  const known = made.get(days) ?? make(String(days));
  made.set(days, known);
  return known;
}

function make(days: string): Certificates {
  const folder = mkdtempSync(path.join(tmpdir(), "test-certificates-"));
  const file = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const issue = (name: string, subject: string, extensions: string) => {
    writeFileSync(file(`${name}.ext`), extensions);
    openssl(
      ...["req", ...key, "-keyout", file(`${name}.key`)],
      ...["-out", file(`${name}.csr`), "-subj", subject],
    );
    openssl(
      ...["x509", "-req", "-in", file(`${name}.csr`), "-CA", file("ca.crt")],
      ...["-CAkey", file("ca.key"), "-CAcreateserial", "-days", days],
      ...["-extfile", file(`${name}.ext`), "-out", file(`${name}.crt`)],
    );
  };
  try {
    openssl(
      ...["req", "-x509", ...key, "-keyout", file("ca.key"), "-out", file("ca.crt")],
      ...["-subj", "/CN=test-ca", "-days", days],
    );
    issue(
      "server",
      "/CN=kube-apiserver",
      "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes\n",
    );
    issue("client", "/O=system:masters/CN=load", "extendedKeyUsage=clientAuth\n");
    const read = (name: string) => readFileSync(file(name), "utf8");
    return {
      ca: read("ca.crt"),
      serverCert: read("server.crt"),
      serverKey: read("server.key"),
      clientCert: read("client.crt"),
      clientKey: read("client.key"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A kubeconfig as kubeadm writes it, with certificates that are valid for these days. */
export function kubeconfig(server: string, user = "admin", days = 365): string {
  const { ca, clientCert, clientKey } = certificates(days);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": `${user}@test`,
    contexts: [{ name: `${user}@test`, context: { cluster: "test", user } }],
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [
      {
        name: user,
        user: {
          "client-certificate-data": base64(clientCert),
          "client-key-data": base64(clientKey),
        },
      },
    ],
  });
}
