// the library's own requirement: it must come before it
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createPrivateKey, createPublicKey, randomInt, webcrypto } from "node:crypto";
import type { ClusterSecrets } from "./cluster-secrets";

/** A key of this kind is a fifth of an RSA key: user data is limited to 16 KiB in places. */
const KEYS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** As in kubeadm: for machines whose clock is a little behind. */
const BACKDATE_MS = 5 * 60_000;

/** As in kubeadm: ten years of 365 days. */
const VALID_MS = 10 * 365 * 86_400_000;

/**
 * Keys and tokens of a cluster that does not exist yet, all of them new.
 *
 * The certificates have the fields of kubeadm's own.
 */
export async function newClusterSecrets(now: Date = new Date()): Promise<ClusterSecrets> {
  const [ca, etcdCa, frontProxyCa, serviceAccount] = await Promise.all([
    certificateAuthority("kubernetes", now),
    certificateAuthority("etcd-ca", now),
    certificateAuthority("front-proxy-ca", now),
    newKeys(),
  ]);
  const serviceAccountKey = await privatePem(serviceAccount);
  return {
    caCert: ca.certificate,
    caKey: ca.key,
    etcdCaCert: etcdCa.certificate,
    etcdCaKey: etcdCa.key,
    frontProxyCaCert: frontProxyCa.certificate,
    frontProxyCaKey: frontProxyCa.key,
    serviceAccountKey,
    serviceAccountPublicKey: publicPem(serviceAccountKey),
    joinToken: bootstrapToken(),
    loadBalancerToken: bootstrapToken(),
  };
}

async function certificateAuthority(
  name: string,
  now: Date,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const keys = await newKeys();
  const { KeyUsageFlags } = x509;
  const usage = KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: KEYS,
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() - BACKDATE_MS + VALID_MS),
    extensions: [
      new x509.KeyUsagesExtension(usage | KeyUsageFlags.keyCertSign, true),
      new x509.BasicConstraintsExtension(true, undefined, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
    ],
  });
  return { certificate: `${certificate.toString("pem").trim()}\n`, key: await privatePem(keys) };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
}

/** PEM as kubeadm writes it (`EC PRIVATE KEY`). */
async function privatePem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey));
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return key.export({ format: "pem", type: "sec1" }).toString();
}

function publicPem(privateKey: string): string {
  return createPublicKey(privateKey).export({ format: "pem", type: "spki" }).toString();
}

/** A token of Kubernetes' form: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
function bootstrapToken(): string {
  return `${letters(6)}.${letters(16)}`;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

function letters(count: number): string {
  return Array.from({ length: count }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
