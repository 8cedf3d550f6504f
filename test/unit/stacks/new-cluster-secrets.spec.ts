import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  createPrivateKey,
  createPublicKey,
  createSign,
  createVerify,
  X509Certificate,
} from "node:crypto";
import { before, describe, it } from "mocha";
import { caCertHash, keyFiles } from "../../../host/kubeadm/shared-keys";
import type { ClusterSecrets } from "../../../stacks/cluster-secrets";
import { newClusterSecrets } from "../../../stacks/new-cluster-secrets";

const TOKEN = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;
const NOW = new Date("2026-11-29T12:00:00Z");

/** Kinds of a PEM, in order. */
const kinds = (pem: string) =>
  [...pem.matchAll(/-----BEGIN ([A-Z ]+)-----/g)].map((each) => each[1]);

describe("the secrets of a new cluster", () => {
  let secrets: ClusterSecrets;

  before(async () => {
    secrets = await newClusterSecrets(NOW);
  });

  const authorities = () =>
    [
      ["kubernetes", secrets.caCert, secrets.caKey],
      ["etcd-ca", secrets.etcdCaCert, secrets.etcdCaKey],
      ["front-proxy-ca", secrets.frontProxyCaCert, secrets.frontProxyCaKey],
    ] as const;

  it("hold three authorities with the names of kubeadm, each with its own key", () => {
    for (const [name, certificate, key] of authorities()) {
      const read = new X509Certificate(certificate);
      assert.equal(read.subject, `CN=${name}`);
      assert.equal(read.issuer, `CN=${name}`);
      assert.equal(read.subjectAltName, `DNS:${name}`);
      assert.ok(
        read.ca && read.checkPrivateKey(createPrivateKey(key)) && read.verify(read.publicKey),
      );
    }
    assert.equal(new Set(authorities().map(([, , key]) => key)).size, 3);
  });

  it("have the usages of kubeadm's authorities, as openssl reads them", () => {
    for (const [, certificate] of authorities()) {
      const text = execFileSync("openssl", ["x509", "-noout", "-text"], {
        input: certificate,
      }).toString();
      assert.match(
        text,
        /Key Usage: critical\s+Digital Signature, Key Encipherment, Certificate Sign\n/,
      );
      assert.match(text, /Basic Constraints: critical\s+CA:TRUE\n/);
      assert.doesNotMatch(text, /\(Negative\)/);
    }
  });

  it("are valid for ten years from five minutes ago", () => {
    for (const [, certificate] of authorities()) {
      const { validFrom, validTo } = new X509Certificate(certificate);
      const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
      assert.equal(from, NOW.getTime() - 300_000);
      assert.equal(to - from, 3650 * 86_400_000);
    }
  });

  it("hold a pair of keys for the tokens of ServiceAccounts", () => {
    const signed = createSign("sha256").update("x").sign(secrets.serviceAccountKey);
    const key = createPublicKey(secrets.serviceAccountPublicKey);
    assert.ok(createVerify("sha256").update("x").verify(key, signed));
  });

  it("hold two tokens of the form of bootstrap tokens", () => {
    assert.match(secrets.joinToken, TOKEN);
    assert.match(secrets.loadBalancerToken, TOKEN);
    assert.notEqual(secrets.joinToken, secrets.loadBalancerToken);
  });

  it("are others each time", async () => {
    const others = await newClusterSecrets(NOW);
    for (const [key, value] of Object.entries(secrets)) {
      assert.notEqual(value, others[key as keyof ClusterSecrets], key);
    }
  });

  it("become files with kubeadm's names, keys for root alone", () => {
    assert.deepEqual(
      keyFiles(secrets).map(({ name, mode, content }) => [name, mode, ...kinds(content)]),
      [
        ["ca.crt", "0644", "CERTIFICATE"],
        ["ca.key", "0600", "EC PRIVATE KEY"],
        ["etcd/ca.crt", "0644", "CERTIFICATE"],
        ["etcd/ca.key", "0600", "EC PRIVATE KEY"],
        ["front-proxy-ca.crt", "0644", "CERTIFICATE"],
        ["front-proxy-ca.key", "0600", "EC PRIVATE KEY"],
        ["sa.key", "0600", "EC PRIVATE KEY"],
        ["sa.pub", "0600", "PUBLIC KEY"],
      ],
    );
  });

  it("have the hash of the authority's public key that openssl computes", () => {
    const pem = execFileSync("openssl", ["x509", "-noout", "-pubkey"], { input: secrets.caCert });
    const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "der"], { input: pem });
    const hash = execFileSync("openssl", ["dgst", "-sha256", "-r"], { input: der }).toString();
    assert.equal(caCertHash(secrets.caCert), `sha256:${hash.split(" ")[0]}`);
  });
});
