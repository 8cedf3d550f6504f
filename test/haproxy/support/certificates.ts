import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A cluster's CA and a certificate of an API server, made by openssl in a folder. */
export interface Certificates {
  readonly caFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An intermediate CA, its root, and a certificate that it has signed; PEM texts. */
export interface IntermediateCa {
  readonly intermediate: string;
  readonly root: string;
  readonly cert: string;
  readonly key: string;
}

/** As a CA of an organization, of which a cluster has an intermediate. */
export function makeIntermediateCa(folder: string): IntermediateCa {
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const isCa = "basicConstraints=critical,CA:TRUE\n";
  const isServer = "subjectAltName=DNS:kubernetes\nextendedKeyUsage=serverAuth\n";
  for (const [name, extensions] of [
    ["root", isCa],
    ["intermediate", isCa],
    ["leaf", isServer],
  ] as const) {
    writeFileSync(at(`${name}.ext`), extensions);
    openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", `/CN=test-${name}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`)],
    );
  }
  for (const [name, signer] of [
    ["root", ["-signkey", at("root.key")]],
    ["intermediate", ["-CA", at("root.crt"), "-CAkey", at("root.key"), "-CAcreateserial"]],
    ["leaf", ["-CA", at("intermediate.crt"), "-CAkey", at("intermediate.key"), "-CAcreateserial"]],
  ] as const) {
    openssl(
      ...["x509", "-req", "-days", "2", "-in", at(`${name}.csr`), "-extfile", at(`${name}.ext`)],
      ...[...signer, "-out", at(`${name}.crt`)],
    );
  }
  const [intermediate, root, cert, key] = [
    ...["intermediate.crt", "root.crt", "leaf.crt", "leaf.key"],
  ].map((file) => readFileSync(at(file), "utf8")) as [string, string, string, string];
  return { intermediate, root, cert, key };
}

export function makeCertificates(folder: string, name = "kubernetes"): Certificates {
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    ...["req", "-x509", ...key, "-days", "2", "-subj", "/CN=test-ca"],
    ...["-keyout", at("ca.key"), "-out", at("ca.crt")],
  );
  openssl(
    ...["req", ...key, "-subj", "/CN=kube-apiserver"],
    ...["-keyout", at("server.key"), "-out", at("server.csr")],
  );
  writeFileSync(at("server.ext"), `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth\n`);
  openssl(
    ...["x509", "-req", "-days", "2", "-in", at("server.csr"), "-extfile", at("server.ext")],
    ...["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at("server.crt")],
  );
  return {
    caFile: at("ca.crt"),
    cert: readFileSync(at("server.crt"), "utf8"),
    key: readFileSync(at("server.key"), "utf8"),
  };
}
