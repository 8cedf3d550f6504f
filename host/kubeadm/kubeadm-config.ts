import { stringify } from "yaml";
import { hostPort } from "../../haproxy/address";
import { PRODUCT } from "../../names";
import type { ClusterNode, Fragment, KubeadmSettings } from "./kubeadm-settings";
import { merge } from "./merge-fragments";

/** Replaced on the host, so that what Pulumi keeps in plain text holds no secret. */
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

/** One document of kubeadm's configuration, as an object. */
export interface KubeadmDocument extends Fragment {
  readonly apiVersion: string;
  readonly kind: string;
}

const KUBEADM = "kubeadm.k8s.io/v1beta4";
const KUBELET = "kubelet.config.k8s.io/v1beta1";
const KUBE_PROXY = "kubeproxy.config.k8s.io/v1alpha1";

/** Lists to which a user's fragment adds; every other list of a fragment replaces ours. */
const UNIONS: ReadonlySet<string> = new Set(["certSANs", "ignorePreflightErrors", "skipPhases"]);

/**
 * The documents for `kubeadm init` that are the same on every host, with the user's fragments
 * merged over ours. They lack `kubernetesVersion` where the settings name none, and the node's own
 * fields: see {@link withNode}.
 */
export function initDocuments(settings: KubeadmSettings): KubeadmDocument[] {
  const { clusterName, endpoint, fragments, kubernetesVersion, skipPhases } = settings;
  const certSANs = [...new Set([...settings.certSANs, ...(endpoint.addresses ?? [])])];
  const cluster = document(KUBEADM, "ClusterConfiguration", {
    ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
    ...(clusterName === undefined ? {} : { clusterName }),
    controlPlaneEndpoint: hostPort(endpoint.host, endpoint.port),
    ...(certSANs.length > 0 ? { apiServer: { certSANs } } : {}),
  });
  const init = document(KUBEADM, "InitConfiguration", {
    localAPIEndpoint: { bindPort: settings.apiPort },
    ...nodeRegistration(settings),
    ...(skipPhases.length > 0 ? { skipPhases: [...skipPhases] } : {}),
  });
  const kubelet = document(KUBELET, "KubeletConfiguration");
  const kubeProxy = document(KUBE_PROXY, "KubeProxyConfiguration");
  return [
    overlay(cluster, fragments.clusterConfiguration ?? {}),
    overlay(init, fragments.initConfiguration ?? {}),
    ...(fragments.kubeletConfiguration === undefined
      ? []
      : [overlay(kubelet, fragments.kubeletConfiguration)]),
    ...(fragments.kubeProxyConfiguration === undefined
      ? []
      : [overlay(kubeProxy, fragments.kubeProxyConfiguration)]),
  ];
}

/**
 * The documents for `kubeadm join` of a control-plane node that are the same on every host. They
 * lack the node's own fields and the discovery: see {@link withNode} and {@link
 * withJoinCredentials}.
 */
export function joinDocuments(settings: KubeadmSettings): KubeadmDocument[] {
  const join = document(KUBEADM, "JoinConfiguration", {
    controlPlane: { localAPIEndpoint: { bindPort: settings.apiPort } },
    ...nodeRegistration(settings),
  });
  return [overlay(join, settings.fragments.joinConfiguration ?? {})];
}

/**
 * Adds the node's name and address. What a document says already stays: users may set `node-ip`.
 */
export function withNode(
  documents: readonly KubeadmDocument[],
  { name, address }: ClusterNode,
): KubeadmDocument[] {
  const localAPIEndpoint = { advertiseAddress: address };
  const nodeRegistration = { name, kubeletExtraArgs: [{ name: "node-ip", value: address }] };
  return underlay(documents, {
    InitConfiguration: { localAPIEndpoint, nodeRegistration },
    JoinConfiguration: { controlPlane: { localAPIEndpoint }, nodeRegistration },
  });
}

/** Adds how a joining node finds and trusts the cluster; the secrets are {@link PLACEHOLDERS}. */
export function withJoinCredentials(
  documents: readonly KubeadmDocument[],
  settings: KubeadmSettings,
): KubeadmDocument[] {
  return underlay(withDiscovery(documents, settings), {
    JoinConfiguration: { controlPlane: { certificateKey: PLACEHOLDERS.certificateKey } },
  });
}

/** The same for a node that has the cluster's keys already. */
function withDiscovery(
  documents: readonly KubeadmDocument[],
  { endpoint }: KubeadmSettings,
): KubeadmDocument[] {
  return underlay(documents, {
    JoinConfiguration: {
      discovery: {
        bootstrapToken: {
          apiServerEndpoint: hostPort(endpoint.host, endpoint.port),
          token: PLACEHOLDERS.token,
          caCertHashes: [PLACEHOLDERS.caCertHash],
        },
      },
    },
  });
}

/** kubeadm's configuration file: the documents as YAML. */
export function kubeadmYaml(documents: readonly KubeadmDocument[]): string {
  return documents
    .map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join("---\n");
}

/**
 * The file for `kubeadm init` on this node; without a version in the settings it is a placeholder.
 *
 * @param joinToken a bootstrap token that the new cluster knows for good. SECRET. Default: none, as
 * tokens are created for each join
 */
export function initConfig(
  settings: KubeadmSettings,
  node: ClusterNode,
  joinToken?: string,
): string {
  const token = {
    token: joinToken,
    ttl: "0s",
    description: `${PRODUCT}: control-plane nodes join`,
  };
  return kubeadmYaml(
    underlay(withNode(initDocuments(settings), node), {
      ClusterConfiguration: { kubernetesVersion: PLACEHOLDERS.version },
      ...(joinToken === undefined ? {} : { InitConfiguration: { bootstrapTokens: [token] } }),
    }),
  );
}

/**
 * The file for `kubeadm join` of this node; the join credentials are placeholders.
 *
 * @param sharedKeys the node has the cluster's keys: it downloads none
 */
export function joinConfig(
  settings: KubeadmSettings,
  node: ClusterNode,
  sharedKeys = false,
): string {
  const add = sharedKeys ? withDiscovery : withJoinCredentials;
  return kubeadmYaml(withNode(add(joinDocuments(settings), settings), node));
}

/** The container runtime's socket that a fragment names: `kubeadm reset` needs it as a flag. */
export function criSocket(settings: KubeadmSettings): string | undefined {
  for (const { nodeRegistration } of [...joinDocuments(settings), ...initDocuments(settings)]) {
    const socket = (nodeRegistration as { criSocket?: unknown } | undefined)?.criSocket;
    if (typeof socket === "string") return socket;
  }
  return undefined;
}

function document(apiVersion: string, kind: string, fields: Fragment = {}): KubeadmDocument {
  return { apiVersion, kind, ...fields };
}

/** Merges a fragment over a document: the fragment wins. */
function overlay(ours: KubeadmDocument, fragment: object): KubeadmDocument {
  return merge(ours, { ...fragment }, UNIONS) as KubeadmDocument;
}

/** Adds fields to the documents of these kinds: what a document says already wins. */
function underlay(
  documents: readonly KubeadmDocument[],
  fields: Readonly<Record<string, Fragment>>,
): KubeadmDocument[] {
  return documents.map((each) =>
    overlay(document(each.apiVersion, each.kind, fields[each.kind]), each),
  );
}

function nodeRegistration({ ignorePreflightErrors }: KubeadmSettings): Fragment {
  if (ignorePreflightErrors.length === 0) return {};
  return { nodeRegistration: { ignorePreflightErrors: [...ignorePreflightErrors] } };
}
