import { stringify } from "yaml";
import { merge } from "./merge-fragments";
import type { ClusterNode, Fragment, KubeadmSettings } from "./kubeadm-settings";

/** Places in the documents that the host fills in, so that what Pulumi keeps in plain holds no secret. */
export const PLACEHOLDERS = {
  /** Version of the kubeadm on the host. */
  version: "@KUBERNETES_VERSION@",
  /** Bootstrap token of the join credentials. */
  token: "@TOKEN@",
  /** Hash of the cluster CA's public key, `sha256:...`. */
  caCertHash: "@CA_CERT_HASH@",
  /** Key of the certificates that another control-plane node uploaded. */
  certificateKey: "@CERTIFICATE_KEY@",
} as const;

const API_VERSION = "kubeadm.k8s.io/v1beta4";

/** Lists to which a user's fragment adds; every other list of a fragment replaces ours. */
const UNIONS: ReadonlySet<string> = new Set(["certSANs", "ignorePreflightErrors", "skipPhases"]);

/** `HOST:PORT`, with the brackets of an IPv6 address. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function document(ours: Fragment, users: object | undefined): string {
  const merged = merge(ours, { ...users }, UNIONS);
  return stringify(merged, { lineWidth: 0, aliasDuplicateObjects: false });
}

function nodeRegistration(settings: KubeadmSettings, node: ClusterNode): Fragment {
  return {
    name: node.name,
    kubeletExtraArgs: [{ name: "node-ip", value: node.address }],
    ...(settings.ignorePreflightErrors.length > 0
      ? { ignorePreflightErrors: [...settings.ignorePreflightErrors] }
      : {}),
  };
}

/**
 * kubeadm's configuration (v1beta4) for `kubeadm init` on this node: ours, with the user's fragments merged over it.
 * `@KUBERNETES_VERSION@` stands for the version of the kubeadm on the host where the settings name none.
 */
export function initConfig(settings: KubeadmSettings, node: ClusterNode): string {
  const { fragments } = settings;
  const cluster: Fragment = {
    apiVersion: API_VERSION,
    kind: "ClusterConfiguration",
    kubernetesVersion: settings.kubernetesVersion ?? PLACEHOLDERS.version,
    ...(settings.clusterName === undefined ? {} : { clusterName: settings.clusterName }),
    controlPlaneEndpoint: hostPort(settings.endpoint.host, settings.endpoint.port),
    ...(settings.certSANs.length > 0 ? { apiServer: { certSANs: [...settings.certSANs] } } : {}),
  };
  const init: Fragment = {
    apiVersion: API_VERSION,
    kind: "InitConfiguration",
    localAPIEndpoint: { advertiseAddress: node.address, bindPort: settings.apiPort },
    nodeRegistration: nodeRegistration(settings, node),
    ...(settings.skipPhases.length > 0 ? { skipPhases: [...settings.skipPhases] } : {}),
  };
  const documents = [
    document(cluster, fragments.clusterConfiguration),
    document(init, fragments.initConfiguration),
  ];
  if (fragments.kubeletConfiguration !== undefined) {
    const kubelet = { apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration" };
    documents.push(document(kubelet, fragments.kubeletConfiguration));
  }
  if (fragments.kubeProxyConfiguration !== undefined) {
    const proxy = {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
    };
    documents.push(document(proxy, fragments.kubeProxyConfiguration));
  }
  return documents.join("---\n");
}

/**
 * kubeadm's configuration (v1beta4) for `kubeadm join` of this node as a control-plane node. Token, CA hash and certificate key are placeholders: the
 * host fills them in from its join credentials.
 */
export function joinConfig(settings: KubeadmSettings, node: ClusterNode): string {
  return document(
    {
      apiVersion: API_VERSION,
      kind: "JoinConfiguration",
      discovery: {
        bootstrapToken: {
          apiServerEndpoint: hostPort(settings.endpoint.host, settings.endpoint.port),
          token: PLACEHOLDERS.token,
          caCertHashes: [PLACEHOLDERS.caCertHash],
        },
      },
      controlPlane: {
        localAPIEndpoint: { advertiseAddress: node.address, bindPort: settings.apiPort },
        certificateKey: PLACEHOLDERS.certificateKey,
      },
      nodeRegistration: nodeRegistration(settings, node),
    },
    settings.fragments.joinConfiguration,
  );
}
