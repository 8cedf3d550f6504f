import { createHash, X509Certificate } from "node:crypto";

/**
 * The certificates and keys that all control-plane nodes of a cluster share, as PEM. SECRET
 *
 * A node that has them joins without anybody's help: nothing is downloaded from another one.
 */
export interface SharedKeys {
  readonly caCert: string;
  readonly caKey: string;
  readonly etcdCaCert: string;
  readonly etcdCaKey: string;
  readonly frontProxyCaCert: string;
  readonly frontProxyCaKey: string;
  /** Signs the tokens of ServiceAccounts. */
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
}

/** A file of {@link SharedKeys} on a control-plane node. */
export interface KeyFile {
  /** Below /etc/kubernetes/pki. */
  readonly name: string;
  readonly mode: string;
  readonly content: string;
}

const CERTIFICATE = "0644";
const KEY = "0600";

/** The files, with kubeadm's names and modes. */
export function keyFiles(keys: SharedKeys): KeyFile[] {
  return [
    { name: "ca.crt", mode: CERTIFICATE, content: keys.caCert },
    { name: "ca.key", mode: KEY, content: keys.caKey },
    { name: "etcd/ca.crt", mode: CERTIFICATE, content: keys.etcdCaCert },
    { name: "etcd/ca.key", mode: KEY, content: keys.etcdCaKey },
    { name: "front-proxy-ca.crt", mode: CERTIFICATE, content: keys.frontProxyCaCert },
    { name: "front-proxy-ca.key", mode: KEY, content: keys.frontProxyCaKey },
    { name: "sa.key", mode: KEY, content: keys.serviceAccountKey },
    { name: "sa.pub", mode: KEY, content: keys.serviceAccountPublicKey },
  ];
}

/**
 * Hash of a CA's public key as in kubeadm's `caCertHashes`: `sha256:...`.
 *
 * @throws Error when the text is no certificate
 */
export function caCertHash(caCert: string): string {
  const key = new X509Certificate(caCert).publicKey.export({ format: "der", type: "spki" });
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}
