import type { BootstrapOptions } from "../../../../host/kubeadm/bootstrap-script";
import type { KubeadmSettings } from "../../../../host/kubeadm/kubeadm-settings";

export const SETTINGS: KubeadmSettings = {
  endpoint: { host: "10.77.0.11", port: 6444 },
  apiPort: 6443,
  certSANs: [],
  ignorePreflightErrors: ["all"],
  skipPhases: ["addon/kube-proxy"],
  fragments: {},
};

export const TOKEN = "abcdef.0123456789abcdef";
export const KEY = "b".repeat(64);

/** Join credentials as another control-plane node prints them. */
export function joinCredentialsLine(change: Record<string, unknown> = {}): string {
  const credentials = {
    token: TOKEN,
    caCertHashes: [`sha256:${"a".repeat(64)}`],
    certificateKey: KEY,
    caCert: Buffer.from("-----BEGIN CERTIFICATE-----\n").toString("base64"),
    ...change,
  };
  return `join-credentials ${Buffer.from(JSON.stringify(credentials)).toString("base64")}`;
}

/** Options of the init node of two control-plane nodes, without join credentials. */
export function initNodeOptions(change: Partial<BootstrapOptions> = {}): BootstrapOptions {
  return {
    settings: SETTINGS,
    node: { name: "m1", address: "10.77.0.11" },
    others: [{ name: "m2", address: "10.77.0.12" }],
    initNode: true,
    joinCredentials: ["absent"],
    generation: 1,
    resetOnRemove: false,
    ...change,
  };
}
