import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { bootstrapScript, type BootstrapOptions } from "../../../host/kubeadm/bootstrap-script";
import { joinCredentialsScript } from "../../../host/kubeadm/join-credentials-script";
import { DEFAULT_ADVICE } from "../../../host/kubeadm/kubeadm-advice";
import type { PrivateRoot } from "../support/private-root";

/** Addresses of m1, which is the host under test, m2 and m3. */
export const OWN = "10.99.0.1";
export const OTHER = "10.99.0.2";
export const THIRD = "10.99.0.3";

/** Exists while kubeadm has not succeeded. */
export const STARTED = "var/lib/control-plane-lb/kubeadm-started";
export const RUN = "run/control-plane-lb-kubeadm";
export const TOKEN = "abcdef.0123456789abcdef";

/** Advice that is not the default. */
export const ADVICE = {
  ...DEFAULT_ADVICE,
  joinCredentials: "ask for new ones",
  excludeNode: "leave it out",
  newCluster: "make a new one",
  endCluster: "end it all",
};

/** What kubeadm is called with when a cluster is created. */
export const INIT = [
  `kubeadm init phase certs ca --config /${RUN}/init.yaml`,
  `kubeadm init --config /${RUN}/init.yaml --skip-token-print --skip-certificate-key-print`,
];

/** What a node answers that had no cluster this many seconds ago. */
export function absent(secondsAgo = 0): string {
  return `absent ${Math.floor(Date.now() / 1000) - secondsAgo}`;
}

/** Options of m1's bootstrap: the init node of two, without join credentials. */
export function bootstrapOptions(change: Partial<BootstrapOptions> = {}): BootstrapOptions {
  return {
    settings: {
      endpoint: { host: OWN, port: 6444 },
      apiPort: 6443,
      certSANs: [],
      ignorePreflightErrors: [],
      skipPhases: [],
      fragments: {},
    },
    node: { name: "m1", address: OWN },
    others: [{ name: "m2", address: OTHER }],
    initNode: true,
    joinCredentials: [absent()],
    generation: 1,
    resetOnRemove: false,
    drainSeconds: 0,
    advice: ADVICE,
    ...change,
  };
}

export function bootstrap(change: Partial<BootstrapOptions> = {}): string {
  return bootstrapScript(bootstrapOptions(change));
}

export function issueFor(name: string): string {
  return joinCredentialsScript({ for: name, generation: 1 });
}

/** Join credentials of m2. */
export function joinCredentials(machine: PrivateRoot, change: object = {}): string {
  const json = JSON.stringify({
    token: TOKEN,
    caCertHashes: [`sha256:${"a".repeat(64)}`],
    certificateKey: "b".repeat(64),
    caCert: readFileSync(path.join(machine.fake, "pki/ca.crt")).toString("base64"),
    ...change,
  });
  return `join-credentials ${Buffer.from(json).toString("base64")}`;
}

/** An etcd member as etcd's JSON gateway lists it; one without a name has not started yet. */
export function member(id: string, address: string, name?: string): object {
  return {
    ID: id,
    ...(name === undefined ? {} : { name, clientURLs: [`https://${address}:2379`] }),
    peerURLs: [`https://${address}:2380`],
  };
}

/** m2 is a control-plane node that serves, also at the endpoint, and has issued the token. */
export async function otherServes(machine: PrivateRoot): Promise<void> {
  await machine.serve(`${OTHER}:6443`);
  await machine.serve(`${OTHER}:2379`);
  await machine.serve(`${OWN}:6444`);
  machine.write("members.json", JSON.stringify([member("22", OTHER, "m2")]));
  machine.write("cluster-info", '{"data":{"jws-kubeconfig-abcdef":"signed"}}');
}

export async function untilTrue(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < end, "the condition did not come true within 60 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
