import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A cluster's CA and a certificate of an API server, made by openssl in a folder. */
export interface Certificates {
  readonly caFile: string;
  readonly cert: string;
  readonly key: string;
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
